-- Detections, recoveries and analysis.

create table topology_failure_detection (
    detection_id integer not null,
    hostname varchar(128) not null,
    port smallint not null,
    in_active_period tinyint not null default 0,
    start_active_period timestamp not null default '',
    end_active_period_unixtime int not null,
    processing_node_hostname varchar(128) not null,
    processcing_node_token varchar(128) not null,
    analysis varchar(128) not null,
    cluster_name varchar(128) not null,
    cluster_alias varchar(128) not null,
    count_affected_slaves int not null,
    slave_hosts text not null,
    is_actionable tinyint not null default 0,
    primary key (detection_id)
);
create index in_active_start_period_idx_topology_failure_detection on topology_failure_detection (in_active_period, start_active_period);
create unique index host_port_active_recoverable_uidx_topology_failure_detection on topology_failure_detection (hostname, port, in_active_period, end_active_period_unixtime, is_actionable);

create table topology_recovery (
    recovery_id integer not null,
    hostname varchar(128) not null,
    port smallint not null,
    in_active_period tinyint not null default 0,
    start_active_period timestamp not null default '',
    end_active_period_unixtime int null,
    end_recovery timestamp null,
    processing_node_hostname varchar(128) not null,
    processcing_node_token varchar(128) not null,
    is_successful tinyint not null default 0,
    successor_hostname varchar(128) null,
    successor_port smallint null,
    analysis varchar(128) not null default '',
    cluster_name varchar(128) not null default '',
    cluster_alias varchar(128) not null default '',
    count_affected_slaves int not null default 0,
    slave_hosts text not null default '',
    participating_instances text not null default '',
    lost_slaves text not null default '',
    all_errors text not null default '',
    acknowledged tinyint not null default 0,
    acknowledged_at timestamp null,
    acknowledged_by varchar(128) not null default '',
    acknowledge_comment text not null default '',
    last_detection_id bigint not null default 0,
    successor_alias varchar(128) null,
    uid varchar(128) not null default '',
    primary key (recovery_id)
);
create index in_active_start_period_idx_topology_recovery on topology_recovery (in_active_period, start_active_period);
create index start_active_period_idx_topology_recovery on topology_recovery (start_active_period);
create unique index hostname_port_active_period_uidx_topology_recovery on topology_recovery (hostname, port, in_active_period, end_active_period_unixtime);
create index cluster_name_in_active_idx_topology_recovery on topology_recovery (cluster_name, in_active_period);
create index end_recovery_idx_topology_recovery on topology_recovery (end_recovery);
create index acknowledged_idx_topology_recovery on topology_recovery (acknowledged, acknowledged_at);
create index last_detection_idx_topology_recovery on topology_recovery (last_detection_id);
create index uid_idx_topology_recovery on topology_recovery (uid);

create table topology_recovery_steps (
    recovery_step_id integer not null,
    recovery_uid varchar(128) not null,
    audit_at timestamp not null default '',
    message text not null,
    primary key (recovery_step_id)
);
create index recovery_uid_idx_topology_recovery_steps on topology_recovery_steps (recovery_uid);

create table blocked_topology_recovery (
    hostname varchar(128) not null,
    port smallint not null,
    cluster_name varchar(128) not null,
    analysis varchar(128) not null,
    last_blocked_timestamp timestamp not null default '',
    blocking_recovery_id bigint null,
    primary key (hostname, port)
);
create index cluster_blocked_idx_blocked_topology_recovery on blocked_topology_recovery (cluster_name, last_blocked_timestamp);
create index last_blocked_idx_blocked_topology_recovery on blocked_topology_recovery (last_blocked_timestamp);

create table database_instance_last_analysis (
    hostname varchar(128) not null,
    port smallint not null,
    analysis_timestamp timestamp not null default '',
    analysis varchar(128) not null,
    primary key (hostname, port)
);
create index analysis_timestamp_idx_database_instance_last_analysis on database_instance_last_analysis (analysis_timestamp);

create table database_instance_analysis_changelog (
    changelog_id integer not null,
    hostname varchar(128) not null,
    port smallint not null,
    analysis_timestamp timestamp not null default '',
    analysis varchar(128) not null,
    primary key (changelog_id)
);
create index analysis_timestamp_idx_database_instance_analysis_changelog on database_instance_analysis_changelog (analysis_timestamp);
create index instance_timestamp_idx_database_instance_analysis_changelog on database_instance_analysis_changelog (hostname, port, analysis_timestamp);

create table database_instance_stale_binlog_coordinates (
    hostname varchar(128) not null,
    port smallint not null,
    binary_log_file varchar(128) not null,
    binary_log_pos bigint not null,
    first_seen timestamp not null default '',
    primary key (hostname, port)
);
create index first_seen_idx_database_instance_stale_binlog_coordinates on database_instance_stale_binlog_coordinates (first_seen);
