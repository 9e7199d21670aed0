-- By-products of discovery and caches.

create table hostname_resolve (
    hostname varchar(128) not null,
    resolved_hostname varchar(128) not null,
    resolved_timestamp timestamp not null default current_timestamp,
    primary key (hostname),
    key resolved_timestamp_idx_hostname_resolve (resolved_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table hostname_resolve_history (
    resolved_hostname varchar(128) not null,
    hostname varchar(128) not null,
    resolved_timestamp timestamp not null default current_timestamp,
    primary key (resolved_hostname),
    key hostname_idx_hostname_resolve_history (hostname),
    key resolved_timestamp_idx_hostname_resolve_history (resolved_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table hostname_unresolve (
    hostname varchar(128) not null,
    unresolved_hostname varchar(128) not null,
    last_registered timestamp not null default current_timestamp,
    primary key (hostname),
    key unresolved_hostname_idx_hostname_unresolve (unresolved_hostname),
    key last_registered_idx (last_registered)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table hostname_unresolve_history (
    unresolved_hostname varchar(128) not null,
    hostname varchar(128) not null,
    last_registered timestamp not null default current_timestamp,
    primary key (unresolved_hostname),
    key hostname_idx_hostname_unresolve_history (hostname),
    key last_registered_idx_hostname_unresolve_history (last_registered)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table hostname_ips (
    hostname varchar(128) not null,
    ipv4 varchar(128) not null,
    ipv6 varchar(128) not null,
    last_updated timestamp not null default current_timestamp,
    primary key (hostname)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_tls (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    required tinyint unsigned not null default 0,
    primary key (hostname, port)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table cluster_injected_pseudo_gtid (
    cluster_name varchar(128) not null,
    time_injected timestamp not null default current_timestamp,
    primary key (cluster_name)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_coordinates_history (
    history_id bigint unsigned not null auto_increment,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    recorded_timestamp timestamp not null default current_timestamp,
    last_seen timestamp not null default '1971-01-01 00:00:00',
    binary_log_file varchar(128) not null,
    binary_log_pos bigint unsigned not null,
    relay_log_file varchar(128) not null,
    relay_log_pos bigint unsigned not null,
    primary key (history_id),
    key hostname_port_recorded_idx_database_instance_coordinates_history (hostname, port, recorded_timestamp),
    key recorded_timestmp_idx_database_instance_coordinates_history (recorded_timestamp)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table master_position_equivalence (
    equivalence_id bigint unsigned not null auto_increment,
    master1_hostname varchar(128) not null,
    master1_port smallint unsigned not null,
    master1_binary_log_file varchar(128) not null,
    master1_binary_log_pos bigint unsigned not null,
    master2_hostname varchar(128) not null,
    master2_port smallint unsigned not null,
    master2_binary_log_file varchar(128) not null,
    master2_binary_log_pos bigint unsigned not null,
    last_suggested timestamp not null default current_timestamp,
    primary key (equivalence_id),
    unique key equivalence_uidx_master_position_equivalence (master1_hostname, master1_port, master1_binary_log_file, master1_binary_log_pos, master2_hostname, master2_port),
    key master2_idx_master_position_equivalence (master2_hostname, master2_port, master2_binary_log_file, master2_binary_log_pos),
    key last_suggested_idx_master_position_equivalence (last_suggested)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table database_instance_topology_history (
    snapshot_unix_timestamp int unsigned not null,
    hostname varchar(128) not null,
    port smallint unsigned not null,
    master_host varchar(128) not null,
    master_port smallint unsigned not null,
    cluster_name tinytext not null,
    version varchar(128) not null,
    primary key (snapshot_unix_timestamp, hostname, port),
    key cluster_name_idx_database_instance_topology_history (snapshot_unix_timestamp, cluster_name(128))
) engine = InnoDB default character set = ascii collate = ascii_bin;
