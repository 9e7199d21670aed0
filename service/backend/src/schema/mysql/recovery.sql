-- Detections, recoveries and analysis.

create table topology_failure_detection (
    detection_id bigint unsigned not null auto_increment,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    in_active_period tinyint unsigned not null default 0,
    start_active_period timestamp not null default current_timestamp,
    end_active_period_unixtime int unsigned not null,
    processing_node_hostname varchar(128) not null,
    processcing_node_token varchar(128) not null,
    analysis varchar(128) not null,
    cluster_name varchar(128) not null,
    cluster_alias varchar(128) not null,
    count_affected_slaves int unsigned not null,
    slave_hosts text not null,
    is_actionable tinyint not null default 0,
    primary key (detection_id),
    key in_active_start_period_idx_topology_failure_detection (in_active_period, start_active_period),
    unique key host_port_active_recoverable_uidx_topology_failure_detection (hostname, port, in_active_period, end_active_period_unixtime, is_actionable)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table topology_recovery (
    recovery_id bigint unsigned not null auto_increment,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    in_active_period tinyint unsigned not null default 0,
    start_active_period timestamp not null default current_timestamp,
    end_active_period_unixtime int unsigned null,
    end_recovery timestamp null,
    processing_node_hostname varchar(128) not null,
    processcing_node_token varchar(128) not null,
    is_successful tinyint unsigned not null default 0,
    successor_hostname varchar(128) null,
    successor_port smallint unsigned null,
    analysis varchar(128) not null,
    cluster_name varchar(128) not null,
    cluster_alias varchar(128) not null,
    count_affected_slaves int unsigned not null,
    slave_hosts text not null,
    participating_instances text not null,
    lost_slaves text not null,
    all_errors text not null,
    acknowledged tinyint unsigned not null default 0,
    acknowledged_at timestamp null,
    acknowledged_by varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    acknowledge_comment text character set utf8mb4 collate utf8mb4_bin not null,
    last_detection_id bigint unsigned not null,
    successor_alias varchar(128) null,
    uid varchar(128) not null,
    primary key (recovery_id),
    key in_active_start_period_idx_topology_recovery (in_active_period, start_active_period),
    key start_active_period_idx_topology_recovery (start_active_period),
    unique key hostname_port_active_period_uidx_topology_recovery (hostname, port, in_active_period, end_active_period_unixtime),
    key cluster_name_in_active_idx (cluster_name, in_active_period),
    key end_recovery_idx (end_recovery),
    key acknowledged_idx (acknowledged, acknowledged_at),
    key last_detection_idx (last_detection_id),
    key uid_idx_topology_recovery (uid)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table topology_recovery_steps (
    recovery_step_id bigint unsigned not null auto_increment,
    recovery_uid varchar(128) not null,
    audit_at timestamp not null default current_timestamp,
    message text character set utf8mb4 collate utf8mb4_bin not null,
    primary key (recovery_step_id),
    key recovery_uid_idx_topology_recovery_steps (recovery_uid)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table blocked_topology_recovery (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    cluster_name varchar(128) not null,
    analysis varchar(128) not null,
    last_blocked_timestamp timestamp not null default current_timestamp,
    blocking_recovery_id bigint unsigned null,
    primary key (hostname, port),
    key cluster_blocked_idx_blocked_topology_recovery (cluster_name, last_blocked_timestamp),
    key last_blocked_idx (last_blocked_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_last_analysis (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    analysis_timestamp timestamp not null default current_timestamp,
    analysis varchar(128) not null,
    primary key (hostname, port),
    key analysis_timestamp_idx_database_instance_last_analysis (analysis_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_analysis_changelog (
    changelog_id bigint unsigned not null auto_increment,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    analysis_timestamp timestamp not null default current_timestamp,
    analysis varchar(128) not null,
    primary key (changelog_id),
    key analysis_timestamp_idx_database_instance_analysis_changelog (analysis_timestamp),
    key instance_timestamp_idx (hostname, port, analysis_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_stale_binlog_coordinates (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    binary_log_file varchar(128) not null,
    binary_log_pos bigint unsigned not null,
    first_seen timestamp not null default current_timestamp,
    primary key (hostname, port),
    key first_seen_idx_database_instance_stale_binlog_coordinates (first_seen)
) engine = InnoDB default character set = ascii collate = ascii_bin;
