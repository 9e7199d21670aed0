"""mysql-lab: real MySQL and MariaDB replication topologies for tests, in seconds."""
