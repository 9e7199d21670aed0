-- By-products of discovery and caches.

create table hostname_resolve (
    hostname varchar(128) not null,
    resolved_hostname varchar(128) not null,
    resolved_timestamp timestamp not null default '',
    primary key (hostname)
);
create index resolved_timestamp_idx_hostname_resolve on hostname_resolve (resolved_timestamp);

create table hostname_resolve_history (
    resolved_hostname varchar(128) not null,
    hostname varchar(128) not null,
    resolved_timestamp timestamp not null default '',
    primary key (resolved_hostname)
);
create index hostname_idx_hostname_resolve_history on hostname_resolve_history (hostname);
create index resolved_timestamp_idx_hostname_resolve_history on hostname_resolve_history (resolved_timestamp);

create table hostname_unresolve (
    hostname varchar(128) not null,
    unresolved_hostname varchar(128) not null,
    last_registered timestamp not null default '',
    primary key (hostname)
);
create index unresolved_hostname_idx_hostname_unresolve on hostname_unresolve (unresolved_hostname);
create index last_registered_idx_hostname_unresolve on hostname_unresolve (last_registered);

create table hostname_unresolve_history (
    unresolved_hostname varchar(128) not null,
    hostname varchar(128) not null,
    last_registered timestamp not null default '',
    primary key (unresolved_hostname)
);
create index hostname_idx_hostname_unresolve_history on hostname_unresolve_history (hostname);
create index last_registered_idx_hostname_unresolve_history on hostname_unresolve_history (last_registered);

create table hostname_ips (
    hostname varchar(128) not null,
    ipv4 varchar(128) not null,
    ipv6 varchar(128) not null,
    last_updated timestamp not null default '',
    primary key (hostname)
);

create table database_instance_tls (
    hostname varchar(128) not null,
    port smallint not null,
    required tinyint not null default 0,
    primary key (hostname, port)
);

create table cluster_injected_pseudo_gtid (
    cluster_name varchar(128) not null,
    time_injected timestamp not null default '',
    primary key (cluster_name)
);

create table database_instance_coordinates_history (
    history_id integer not null,
    hostname varchar(128) not null,
    port smallint not null,
    recorded_timestamp timestamp not null default '',
    last_seen timestamp not null default '1971-01-01 00:00:00',
    binary_log_file varchar(128) not null,
    binary_log_pos bigint not null,
    relay_log_file varchar(128) not null,
    relay_log_pos bigint not null,
    primary key (history_id)
);
create index hostname_port_recorded_idx_database_instance_coordinates_history on database_instance_coordinates_history (hostname, port, recorded_timestamp);
create index recorded_timestmp_idx_database_instance_coordinates_history on database_instance_coordinates_history (recorded_timestamp);

create table master_position_equivalence (
    equivalence_id integer not null,
    master1_hostname varchar(128) not null,
    master1_port smallint not null,
    master1_binary_log_file varchar(128) not null,
    master1_binary_log_pos bigint not null,
    master2_hostname varchar(128) not null,
    master2_port smallint not null,
    master2_binary_log_file varchar(128) not null,
    master2_binary_log_pos bigint not null,
    last_suggested timestamp not null default '',
    primary key (equivalence_id)
);
create unique index equivalence_uidx_master_position_equivalence on master_position_equivalence (master1_hostname, master1_port, master1_binary_log_file, master1_binary_log_pos, master2_hostname, master2_port);
create index master2_idx_master_position_equivalence on master_position_equivalence (master2_hostname, master2_port, master2_binary_log_file, master2_binary_log_pos);
create index last_suggested_idx_master_position_equivalence on master_position_equivalence (last_suggested);

create table database_instance_topology_history (
    snapshot_unix_timestamp int not null,
    hostname varchar(128) not null,
    port smallint not null,
    master_host varchar(128) not null,
    master_port smallint not null,
    cluster_name tinytext not null,
    version varchar(128) not null default '',
    primary key (snapshot_unix_timestamp, hostname, port)
);
create index cluster_name_idx_database_instance_topology_history on database_instance_topology_history (snapshot_unix_timestamp, cluster_name);
