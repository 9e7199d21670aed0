-- Created by the original and never used: kept empty, so that its binary and reports find them.

create table orchestrator_metadata (
    anchor tinyint unsigned not null,
    last_deployed_version varchar(128) not null,
    last_deployed_timestamp timestamp not null default '1971-01-01 00:00:00',
    primary key (anchor)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_peer_analysis (
    peer varchar(128) not null,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    analysis_timestamp timestamp not null default current_timestamp,
    analysis varchar(128) not null,
    primary key (peer, hostname, port)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_long_running_queries (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    process_id bigint not null,
    process_started_at timestamp not null default current_timestamp,
    process_user varchar(16) character set utf8mb4 collate utf8mb4_bin not null,
    process_host varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    process_db varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    process_command varchar(16) character set utf8mb4 collate utf8mb4_bin not null,
    process_time_seconds int not null,
    process_state varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    process_info varchar(1024) character set utf8mb4 collate utf8mb4_bin not null,
    primary key (hostname, port, process_id),
    key process_started_at_idx_database_instance_long_running_queries (process_started_at)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_binlog_files_history (
    history_id bigint unsigned not null auto_increment,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    binary_log_file varchar(128) not null,
    binary_log_pos bigint unsigned not null,
    first_seen timestamp not null default current_timestamp,
    last_seen timestamp not null default '1971-01-01 00:00:00',
    primary key (history_id),
    unique key hostname_port_file_idx_database_instance_binlog_files_history (hostname, port, binary_log_file),
    key last_seen_idx_database_instance_binlog_files_history (last_seen)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_recent_relaylog_history (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    current_relay_log_file varchar(128) not null,
    current_relay_log_pos bigint unsigned not null,
    current_seen timestamp not null default '1971-01-01 00:00:00',
    prev_relay_log_file varchar(128) not null,
    prev_relay_log_pos bigint unsigned not null,
    prev_seen timestamp not null default '1971-01-01 00:00:00',
    primary key (hostname, port),
    key current_seen_idx_database_instance_recent_relaylog_history (current_seen)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table async_request (
    request_id bigint unsigned not null auto_increment,
    command varchar(128) not null,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    destination_hostname varchar(128) not null,
    destination_port smallint unsigned not null,
    pattern text character set utf8mb4 collate utf8mb4_bin not null,
    gtid_hint varchar(32) not null,
    begin_timestamp timestamp null,
    end_timestamp timestamp null,
    story text character set utf8mb4 collate utf8mb4_bin not null,
    primary key (request_id),
    key begin_timestamp_idx_async_request (begin_timestamp),
    key end_timestamp_idx_async_request (end_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table raft_store (
    store_id bigint unsigned not null auto_increment,
    store_key varbinary(512) not null,
    store_value blob not null,
    primary key (store_id),
    key store_key_idx_raft_store (store_key)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table raft_log (
    log_index bigint unsigned not null auto_increment,
    term bigint not null,
    log_type int not null,
    data blob not null,
    primary key (log_index)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table raft_snapshot (
    snapshot_id bigint unsigned not null auto_increment,
    snapshot_name varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    snapshot_meta varchar(4096) character set utf8mb4 collate utf8mb4_bin not null,
    created_at timestamp not null default current_timestamp,
    primary key (snapshot_id),
    unique key snapshot_name_uidx_raft_snapshot (snapshot_name)
) engine = InnoDB default character set = ascii collate = ascii_bin;
