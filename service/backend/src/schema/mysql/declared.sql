-- What people declared about instances and clusters.

create table database_instance_downtime (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    downtime_active tinyint null,
    begin_timestamp timestamp null default current_timestamp,
    end_timestamp timestamp null,
    owner varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    reason text character set utf8mb4 collate utf8mb4_bin not null,
    primary key (hostname, port),
    key end_timestamp_idx_database_instance_downtime (end_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_maintenance (
    database_instance_maintenance_id int unsigned not null auto_increment,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    maintenance_active tinyint null,
    begin_timestamp timestamp null,
    end_timestamp timestamp null,
    owner varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    reason text character set utf8mb4 collate utf8mb4_bin not null,
    processing_node_hostname varchar(128) not null,
    processing_node_token varchar(128) not null,
    explicitly_bounded tinyint unsigned not null,
    primary key (database_instance_maintenance_id),
    unique key maintenance_uidx_database_instance_maintenance (maintenance_active, hostname, port),
    key active_timestamp_idx (maintenance_active, begin_timestamp),
    key active_end_timestamp_idx (maintenance_active, end_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table candidate_database_instance (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    last_suggested timestamp not null default current_timestamp,
    priority tinyint not null default 1,
    promotion_rule enum('must', 'prefer', 'neutral', 'prefer_not', 'must_not') not null default 'neutral',
    primary key (hostname, port),
    key last_suggested_idx_candidate_database_instance (last_suggested)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_pool (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    pool varchar(128) not null,
    registered_at timestamp not null default '1971-01-01 00:00:00',
    primary key (hostname, port, pool),
    key pool_idx_database_instance_pool (pool)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_tags (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    tag_name varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    tag_value varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    last_updated timestamp not null default current_timestamp,
    primary key (hostname, port, tag_name),
    key tag_name_idx_database_instance_tags (tag_name)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table cluster_alias (
    cluster_name varchar(128) not null,
    alias varchar(128) not null,
    last_registered timestamp not null default current_timestamp,
    primary key (cluster_name),
    unique key alias_uidx (alias),
    key last_registered_idx (last_registered)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table cluster_alias_override (
    cluster_name varchar(128) not null,
    alias varchar(128) not null,
    primary key (cluster_name)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table cluster_domain_name (
    cluster_name varchar(128) not null,
    domain_name varchar(128) not null,
    last_registered timestamp not null default current_timestamp,
    primary key (cluster_name),
    key domain_name_idx_cluster_domain_name (domain_name(32)),
    key last_registered_idx (last_registered)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table host_attributes (
    hostname varchar(128) not null,
    attribute_name varchar(128) not null,
    attribute_value varchar(128) not null,
    submit_timestamp timestamp not null default current_timestamp,
    expire_timestamp timestamp null,
    primary key (hostname, attribute_name),
    key attribute_name_idx_host_attributes (attribute_name),
    key attribute_value_idx_host_attributes (attribute_value),
    key submit_timestamp_idx_host_attributes (submit_timestamp),
    key expire_timestamp_idx_host_attributes (expire_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table kv_store (
    store_key varchar(255) not null,
    store_value text character set utf8mb4 collate utf8mb4_bin not null,
    last_updated timestamp not null default current_timestamp,
    primary key (store_key)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table global_recovery_disable (
    disable_recovery tinyint unsigned not null,
    primary key (disable_recovery)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table access_token (
    access_token_id bigint unsigned not null auto_increment,
    public_token varchar(128) not null,
    secret_token varchar(128) not null,
    generated_at timestamp not null default current_timestamp,
    generated_by varchar(128) character set utf8mb4 collate utf8mb4_bin not null,
    is_acquired tinyint unsigned not null default 0,
    is_reentrant tinyint unsigned not null default 0,
    acquired_at timestamp not null default '1971-01-01 00:00:00',
    primary key (access_token_id),
    unique key public_token_uidx_access_token (public_token),
    key generated_at_idx_access_token (generated_at)
) engine = InnoDB default character set = ascii collate = ascii_bin;
