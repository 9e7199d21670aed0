-- Created by the original and never used: kept empty, so that its binary and reports find them.

create table orchestrator_metadata (
    anchor tinyint not null,
    last_deployed_version varchar(128) not null,
    last_deployed_timestamp timestamp not null,
    primary key (anchor)
);

create table database_instance_peer_analysis (
    peer varchar(128) not null,
    hostname varchar(128) not null,
    port smallint not null,
    analysis_timestamp timestamp not null default '',
    analysis varchar(128) not null,
    primary key (peer, hostname, port)
);

create table database_instance_long_running_queries (
    hostname varchar(128) not null,
    port smallint not null,
    process_id bigint(20) not null,
    process_started_at timestamp not null default '',
    process_user varchar(16) not null,
    process_host varchar(128) not null,
    process_db varchar(128) not null,
    process_command varchar(16) not null,
    process_time_seconds int(11) not null,
    process_state varchar(128) not null,
    process_info varchar(1024) not null,
    primary key (hostname, port, process_id)
);
create index process_started_at_idx_database_instance_long_running_queries on database_instance_long_running_queries (process_started_at);

create table database_instance_binlog_files_history (
    history_id integer not null,
    hostname varchar(128) not null,
    port smallint not null,
    binary_log_file varchar(128) not null,
    binary_log_pos bigint not null,
    first_seen timestamp not null default '',
    last_seen timestamp not null default '1971-01-01 00:00:00',
    primary key (history_id)
);
create unique index hostname_port_file_idx_database_instance_binlog_files_history on database_instance_binlog_files_history (hostname, port, binary_log_file);
create index last_seen_idx_database_instance_binlog_files_history on database_instance_binlog_files_history (last_seen);

create table database_instance_recent_relaylog_history (
    hostname varchar(128) not null,
    port smallint not null,
    current_relay_log_file varchar(128) not null,
    current_relay_log_pos bigint not null,
    current_seen timestamp not null default '1971-01-01 00:00:00',
    prev_relay_log_file varchar(128) not null,
    prev_relay_log_pos bigint not null,
    prev_seen timestamp not null default '1971-01-01 00:00:00',
    primary key (hostname, port)
);
create index current_seen_idx_database_instance_recent_relaylog_history on database_instance_recent_relaylog_history (current_seen);

create table async_request (
    request_id integer not null,
    command varchar(128) not null,
    hostname varchar(128) not null,
    port smallint not null,
    destination_hostname varchar(128) not null,
    destination_port smallint not null,
    pattern text not null,
    gtid_hint varchar(32) not null,
    begin_timestamp timestamp null,
    end_timestamp timestamp null,
    story text not null,
    primary key (request_id)
);
create index begin_timestamp_idx_async_request on async_request (begin_timestamp);
create index end_timestamp_idx_async_request on async_request (end_timestamp);

create table raft_store (
    store_id integer not null,
    store_key varbinary(512) not null,
    store_value blob not null,
    primary key (store_id)
);
create index store_key_idx_raft_store on raft_store (store_key);

create table raft_log (
    log_index integer not null,
    term bigint not null,
    log_type int not null,
    data blob not null,
    primary key (log_index)
);

create table raft_snapshot (
    snapshot_id integer not null,
    snapshot_name varchar(128) not null,
    snapshot_meta varchar(4096) not null,
    created_at timestamp not null default '',
    primary key (snapshot_id)
);
create unique index snapshot_name_uidx_raft_snapshot on raft_snapshot (snapshot_name);
