-- Processes, audit, agents, deployments.

create table node_health (
    hostname varchar(128) not null,
    token varchar(128) not null,
    last_seen_active timestamp not null default '',
    extra_info varchar(128) not null default '',
    command varchar(128) not null default '',
    app_version varchar(64) not null default '',
    first_seen_active timestamp not null default '1971-01-01 00:00:00',
    db_backend varchar(255) not null default '',
    incrementing_indicator bigint not null default 0,
    primary key (hostname, token)
);
create index last_seen_active_idx_node_health on node_health (last_seen_active);

create table node_health_history (
    history_id integer not null,
    hostname varchar(128) not null,
    token varchar(128) not null,
    first_seen_active timestamp not null,
    extra_info varchar(128) not null,
    command varchar(128) not null default '',
    app_version varchar(64) not null default '',
    primary key (history_id)
);
create index first_seen_active_idx_node_health_history on node_health_history (first_seen_active);
create unique index hostname_token_idx_node_health_history on node_health_history (hostname, token);

create table active_node (
    anchor tinyint not null,
    hostname varchar(128) not null,
    token varchar(128) not null,
    last_seen_active timestamp not null default '',
    first_seen_active timestamp not null default '1971-01-01 00:00:00',
    primary key (anchor)
);

create table audit (
    audit_id integer not null,
    audit_timestamp timestamp not null default '',
    audit_type varchar(128) not null,
    hostname varchar(128) not null default '',
    port smallint not null,
    cluster_name varchar(128) not null default '',
    message text not null,
    primary key (audit_id)
);
create index audit_timestamp_idx_audit on audit (audit_timestamp);
create index host_port_idx_audit on audit (hostname, port, audit_timestamp);

create table host_agent (
    hostname varchar(128) not null,
    port smallint not null,
    token varchar(128) not null,
    last_submitted timestamp not null default '',
    last_checked timestamp null,
    last_seen timestamp null,
    mysql_port smallint null,
    count_mysql_snapshots smallint not null,
    primary key (hostname)
);
create index token_idx_host_agent on host_agent (token);
create index last_submitted_idx_host_agent on host_agent (last_submitted);
create index last_checked_idx_host_agent on host_agent (last_checked);
create index last_seen_idx_host_agent on host_agent (last_seen);

create table agent_seed (
    agent_seed_id integer not null,
    target_hostname varchar(128) not null,
    source_hostname varchar(128) not null,
    start_timestamp timestamp not null default '',
    end_timestamp timestamp not null default '1971-01-01 00:00:00',
    is_complete tinyint not null default 0,
    is_successful tinyint not null default 0,
    primary key (agent_seed_id)
);
create index target_hostname_idx_agent_seed on agent_seed (target_hostname, is_complete);
create index source_hostname_idx_agent_seed on agent_seed (source_hostname, is_complete);
create index start_timestamp_idx_agent_seed on agent_seed (start_timestamp);
create index is_complete_idx_agent_seed on agent_seed (is_complete, start_timestamp);
create index is_successful_idx_agent_seed on agent_seed (is_successful, start_timestamp);

create table agent_seed_state (
    agent_seed_state_id integer not null,
    agent_seed_id int not null,
    state_timestamp timestamp not null default '',
    state_action varchar(127) not null,
    error_message varchar(255) not null,
    primary key (agent_seed_state_id)
);
create index agent_seed_idx_agent_seed_state on agent_seed_state (agent_seed_id, state_timestamp);

create table orchestrator_db_deployments (
    deployed_version varchar(128) not null,
    deployed_timestamp timestamp not null,
    primary key (deployed_version)
);
