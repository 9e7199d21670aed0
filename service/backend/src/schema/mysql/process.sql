-- Processes, audit, agents, deployments.

create table node_health (
    hostname varchar(128) not null,
    token varchar(128) not null,
    last_seen_active timestamp not null default current_timestamp,
    extra_info varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    command varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    app_version varchar(64) not null default '',
    first_seen_active timestamp not null default '1971-01-01 00:00:00',
    db_backend varchar(255) not null default '',
    incrementing_indicator bigint not null default 0,
    primary key (hostname, token),
    key last_seen_active_idx (last_seen_active)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table node_health_history (
    history_id bigint unsigned not null auto_increment,
    hostname varchar(128) not null,
    token varchar(128) not null,
    first_seen_active timestamp not null default '1971-01-01 00:00:00',
    extra_info varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    command varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    app_version varchar(64) not null default '',
    primary key (history_id),
    key first_seen_active_idx_node_health_history (first_seen_active),
    unique key hostname_token_idx_node_health_history (hostname, token)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table active_node (
    anchor tinyint unsigned not null,
    hostname varchar(128) not null,
    token varchar(128) not null,
    last_seen_active timestamp not null default current_timestamp,
    first_seen_active timestamp not null default '1971-01-01 00:00:00',
    primary key (anchor)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table audit (
    audit_id bigint unsigned not null auto_increment,
    audit_timestamp timestamp not null default current_timestamp,
    audit_type varchar(128) not null,
    hostname varchar(128) not null default '',
    port smallint unsigned not null,
    cluster_name varchar(128) not null default '',
    message text character set utf8mb4 collate utf8mb4_bin not null,
    primary key (audit_id),
    key audit_timestamp_idx_audit (audit_timestamp),
    key host_port_idx_audit (hostname, port, audit_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table host_agent (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    token varchar(128) not null,
    last_submitted timestamp not null default current_timestamp,
    last_checked timestamp null,
    last_seen timestamp null,
    mysql_port smallint unsigned null,
    count_mysql_snapshots smallint unsigned not null,
    primary key (hostname),
    key token_idx_host_agent (token),
    key last_submitted_idx_host_agent (last_submitted),
    key last_checked_idx_host_agent (last_checked),
    key last_seen_idx_host_agent (last_seen)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table agent_seed (
    agent_seed_id int unsigned not null auto_increment,
    target_hostname varchar(128) not null,
    source_hostname varchar(128) not null,
    start_timestamp timestamp not null default current_timestamp,
    end_timestamp timestamp not null default '1971-01-01 00:00:00',
    is_complete tinyint unsigned not null default 0,
    is_successful tinyint unsigned not null default 0,
    primary key (agent_seed_id),
    key target_hostname_idx_agent_seed (target_hostname, is_complete),
    key source_hostname_idx_agent_seed (source_hostname, is_complete),
    key start_timestamp_idx_agent_seed (start_timestamp),
    key is_complete_idx_agent_seed (is_complete, start_timestamp),
    key is_successful_idx_agent_seed (is_successful, start_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table agent_seed_state (
    agent_seed_state_id int unsigned not null auto_increment,
    agent_seed_id int unsigned not null,
    state_timestamp timestamp not null default current_timestamp,
    state_action varchar(127) not null,
    error_message varchar(255) not null,
    primary key (agent_seed_state_id),
    key agent_seed_idx_agent_seed_state (agent_seed_id, state_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table orchestrator_db_deployments (
    deployed_version varchar(128) not null,
    deployed_timestamp timestamp not null default '1971-01-01 00:00:00',
    primary key (deployed_version)
) engine = InnoDB default character set = ascii collate = ascii_bin;
