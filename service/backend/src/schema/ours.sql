-- Tables of our own: the original neither reads nor minds them.

create table orchestrator_backend_meta (
    meta_key varchar(64) not null,
    meta_value text not null,
    primary key (meta_key)
);

create table orchestrator_applied (
    anchor tinyint not null,
    mark blob not null,
    primary key (anchor)
);

create table orchestrator_sequence (
    sequence_name varchar(64) not null,
    last_id bigint not null,
    primary key (sequence_name)
);

create table orchestrator_discovered (
    hostname varchar(128) not null,
    port smallint not null,
    discovered_at timestamp not null,
    primary key (hostname, port)
);

create table orchestrator_recovery_progress (
    recovery_uid varchar(128) not null,
    recovery_id bigint not null,
    seq bigint not null,
    stage varchar(64) not null,
    record text not null,
    successor_hostname varchar(128) null,
    successor_port smallint null,
    updated_at_millis bigint not null,
    primary key (recovery_uid)
);
