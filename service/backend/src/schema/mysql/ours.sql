-- Tables of our own: the original neither reads nor minds them.

create table orchestrator_backend_meta (
    meta_key varchar(64) not null,
    meta_value text character set utf8mb4 collate utf8mb4_bin not null,
    primary key (meta_key)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table orchestrator_applied (
    anchor tinyint unsigned not null,
    mark blob not null,
    primary key (anchor)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table orchestrator_sequence (
    sequence_name varchar(64) not null,
    last_id bigint not null,
    primary key (sequence_name)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table orchestrator_discovered (
    hostname varchar(128) not null,
    port smallint unsigned not null,
    discovered_at timestamp not null default '1971-01-01 00:00:00',
    primary key (hostname, port)
) engine = InnoDB default character set = ascii collate = ascii_bin;

create table orchestrator_recovery_progress (
    recovery_uid varchar(128) not null,
    recovery_id bigint unsigned not null,
    seq bigint not null,
    stage varchar(64) character set utf8mb4 collate utf8mb4_bin not null,
    record mediumtext character set utf8mb4 collate utf8mb4_bin not null,
    successor_hostname varchar(128) null,
    successor_port smallint unsigned null,
    updated_at_millis bigint not null,
    primary key (recovery_uid)
) engine = InnoDB default character set = ascii collate = ascii_bin;
