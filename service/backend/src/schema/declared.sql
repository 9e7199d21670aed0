-- What people declared about instances and clusters.

create table database_instance_downtime (
    hostname varchar(128) not null,
    port smallint not null,
    downtime_active tinyint(4) null,
    begin_timestamp timestamp null default '',
    end_timestamp timestamp null,
    owner varchar(128) not null,
    reason text not null,
    primary key (hostname, port)
);
create index end_timestamp_idx_database_instance_downtime on database_instance_downtime (end_timestamp);

create table database_instance_maintenance (
    database_instance_maintenance_id integer not null,
    hostname varchar(128) not null,
    port smallint not null,
    maintenance_active tinyint(4) null,
    begin_timestamp timestamp null,
    end_timestamp timestamp null,
    owner varchar(128) not null,
    reason text not null,
    processing_node_hostname varchar(128) not null default '',
    processing_node_token varchar(128) not null default '',
    explicitly_bounded tinyint not null default 0,
    primary key (database_instance_maintenance_id)
);
create unique index maintenance_uidx_database_instance_maintenance on database_instance_maintenance (maintenance_active, hostname, port);
create index active_timestamp_idx_database_instance_maintenance on database_instance_maintenance (maintenance_active, begin_timestamp);
create index active_end_timestamp_idx_database_instance_maintenance on database_instance_maintenance (maintenance_active, end_timestamp);

create table candidate_database_instance (
    hostname varchar(128) not null,
    port smallint not null,
    last_suggested timestamp not null default '',
    priority tinyint signed not null default 1,
    promotion_rule text not null default 'neutral' check (promotion_rule in ('must', 'prefer', 'neutral', 'prefer_not', 'must_not')),
    primary key (hostname, port)
);
create index last_suggested_idx_candidate_database_instance on candidate_database_instance (last_suggested);

create table database_instance_pool (
    hostname varchar(128) not null,
    port smallint not null,
    pool varchar(128) not null,
    registered_at timestamp not null default '1971-01-01 00:00:00',
    primary key (hostname, port, pool)
);
create index pool_idx_database_instance_pool on database_instance_pool (pool);

create table database_instance_tags (
    hostname varchar(128) not null,
    port smallint not null,
    tag_name varchar(128) not null,
    tag_value varchar(128) not null,
    last_updated timestamp not null default '',
    primary key (hostname, port, tag_name)
);
create index tag_name_idx_database_instance_tags on database_instance_tags (tag_name);

create table cluster_alias (
    cluster_name varchar(128) not null,
    alias varchar(128) not null,
    last_registered timestamp not null default '',
    primary key (cluster_name)
);
create unique index alias_uidx_cluster_alias on cluster_alias (alias);
create index last_registered_idx_cluster_alias on cluster_alias (last_registered);

create table cluster_alias_override (
    cluster_name varchar(128) not null,
    alias varchar(128) not null,
    primary key (cluster_name)
);

create table cluster_domain_name (
    cluster_name varchar(128) not null,
    domain_name varchar(128) not null,
    last_registered timestamp not null default '',
    primary key (cluster_name)
);
create index domain_name_idx_cluster_domain_name on cluster_domain_name (domain_name);
create index last_registered_idx_cluster_domain_name on cluster_domain_name (last_registered);

create table host_attributes (
    hostname varchar(128) not null,
    attribute_name varchar(128) not null,
    attribute_value varchar(128) not null,
    submit_timestamp timestamp not null default '',
    expire_timestamp timestamp null,
    primary key (hostname, attribute_name)
);
create index attribute_name_idx_host_attributes on host_attributes (attribute_name);
create index attribute_value_idx_host_attributes on host_attributes (attribute_value);
create index submit_timestamp_idx_host_attributes on host_attributes (submit_timestamp);
create index expire_timestamp_idx_host_attributes on host_attributes (expire_timestamp);

create table kv_store (
    store_key varchar(255) not null,
    store_value text not null,
    last_updated timestamp not null default '',
    primary key (store_key)
);

create table global_recovery_disable (
    disable_recovery tinyint not null,
    primary key (disable_recovery)
);

create table access_token (
    access_token_id integer not null,
    public_token varchar(128) not null,
    secret_token varchar(128) not null,
    generated_at timestamp not null default '',
    generated_by varchar(128) not null,
    is_acquired tinyint not null default 0,
    is_reentrant tinyint not null default 0,
    acquired_at timestamp not null default '1971-01-01 00:00:00',
    primary key (access_token_id)
);
create unique index public_token_uidx_access_token on access_token (public_token);
create index generated_at_idx_access_token on access_token (generated_at);
