//! A database server of each node's own, as the text for MySQL has it.
//!
//! Its image is made from the servers of `mysql-lab`, since there is no registry to take one from.

use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orchestrator_e2e::{Flavor, until};

use crate::engine::{Container, Engine, FORMED_WITHIN, IMAGE, NETWORK, docker, last_words, one_leader};

/// A server that runs greets whoever connects.
const GREETS_WITHIN: Duration = Duration::from_secs(2);

/// What the text tells people to run on each server: a database, and an account for it alone.
const ACCOUNT: &str = "create database if not exists orchestrator;
create user if not exists 'orc_server_user'@'%' identified by 'orc_server_password';
grant all privileges on orchestrator.* to 'orc_server_user'@'%';
";

/// Makes an image of a server of the lab, by the lab's name of it. The lab's folder `root` is `/server` there.
fn server_image(flavor: Flavor) -> Result<String> {
    let home = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache"),
        PathBuf::from,
    );
    let cached = home.join("mysql-lab").join(flavor.name());
    ensure!(cached.join("template").is_dir(), "run `e2e/labs/mysql-lab install {}`", flavor.name());
    let extra = tempfile::tempdir()?;
    std::fs::create_dir(extra.path().join("tmp"))?;
    std::fs::write(extra.path().join("account.sql"), ACCOUNT)?;
    // The system's table space was made with this size; the folder of its default is not in the image.
    let own = match flavor {
        Flavor::Mysql97 => r#""--innodb-data-file-path=ibdata1:5M:autoextend", "--secure-file-priv=NULL""#,
        Flavor::MariaDb1011 | Flavor::MariaDb118 => r#""--innodb-data-file-path=ibdata1:12M:autoextend""#,
    };
    let start = format!(
        r#"CMD ["/server/ld/mysqld", "--argv0", "mysqld", "--library-path", "/server/lib", "/server/bin/mysqld",
        "--no-defaults", "--user=root", "--basedir=/server", "--plugin-dir=/server/plugin",
        "--lc-messages-dir=/server/share", "--character-sets-dir=/server/share/charsets", "--datadir=/template",
        "--tmpdir=/tmp", "--socket=/tmp/mysql.sock", "--server-id=1", "--init-file=/account.sql",
        "--skip-name-resolve", {own}]"#
    );
    let image = format!("lab-{}", flavor.name());
    let pipe = r#"tar -c --transform "s,^root,server," -C "$1" root template -C "$2" tmp account.sql | docker import --change "$3" - "$4""#;
    let status = Command::new("bash")
        .args(["-eu", "-o", "pipefail", "-c", pipe, "import"])
        .args([cached.as_os_str(), extra.path().as_os_str()])
        .args([start.replace('\n', " "), image.clone()])
        .stdout(std::process::Stdio::null())
        .status()
        .context("bash")?;
    ensure!(status.success(), "no image of {}", flavor.name());
    Ok(image)
}

/// Starts `dbN` and waits for its greeting.
fn server(n: u16, image: &str) -> Result<()> {
    let name = format!("db{n}");
    docker(&["run", "-d", "--name", &name, "--net", NETWORK, image])?;
    let address =
        format!("{{{{with index .NetworkSettings.Networks {NETWORK:?}}}}}{{{{.IPAddress}}}}{{{{end}}}}");
    let address = docker(&["inspect", "--format", &address, &name])?;
    until(&format!("{name} takes connections"), FORMED_WITHIN, || {
        let mut stream = TcpStream::connect((address.as_str(), 3306)).map_err(|e| e.to_string())?;
        stream.set_read_timeout(Some(GREETS_WITHIN)).map_err(|e| e.to_string())?;
        stream.read_exact(&mut [0]).map_err(|e| e.to_string())
    })
}

fn node(n: u16) -> Result<Container> {
    let (name, database) = (format!("orchestrator{n}"), format!("MYSQL_HOST=db{n}"));
    let bind = format!("BIND={name}");
    let members = ["-e", "NODE1=orchestrator1", "-e", "NODE2=orchestrator2", "-e", "NODE3=orchestrator3"];
    let args = ["--net", NETWORK, "-e", "PORT=3000", "-e", &bind, "-e", &database, "-e", "MYSQL_PORT=3306"];
    Container::run(&name, 3000 + n, &[&args[..], &members, &[IMAGE]].concat())
}

#[test]
fn each_node_keeps_its_state_in_a_server_of_its_own() -> Result<()> {
    let engine = Engine::take()?;
    engine.network()?;
    // The default authentication of MySQL 9.7, and the one that MySQL 5.7 had.
    let (mysql, mariadb) = (server_image(Flavor::Mysql97)?, server_image(Flavor::MariaDb1011)?);
    server(1, &mysql)?;
    server(2, &mariadb)?;
    server(3, &mariadb)?;
    let three = (1..=3).map(node).collect::<Result<Vec<_>>>()?;
    let leader = one_leader(&three)?;
    three[leader].api.get("disable-global-recoveries")?.details()?;
    for container in &three {
        let said = container.said()?;
        ensure!(!said.contains("orc_server_password"), "{} says its password:\n{said}", container.name);
        until("everybody knows what was decided", FORMED_WITHIN, || {
            match container.asks_itself("/api/check-global-recoveries") {
                Ok((200, body)) if body.contains("disabled") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })?;
    }

    // A node without its server neither leads nor is healthy.
    docker(&["stop", "--time", "1", &format!("db{}", leader + 1)])?;
    until("another leads", FORMED_WITHIN, || {
        let leaders: Vec<usize> =
            (0..3).filter(|&i| three[i].leader_check().is_some_and(|said| said.0 == 200)).collect();
        if leaders.len() == 1 && leaders != [leader] {
            Ok(())
        } else {
            Err(format!("{leaders:?}\n{}", last_words(&three)))
        }
    })?;
    Ok(())
}
