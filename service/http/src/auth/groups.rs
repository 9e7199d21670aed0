//! Groups of this host, from its own files: a static binary has no other directory.

use std::time::Duration;

use tracing::warn;

/// Two small local files; beyond this the disk is sick, and the answer is no.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Is `user`, a user of this host, a member of one of the groups? No when the files cannot be read.
pub(super) async fn any_has(groups: &[String], user: &str) -> bool {
    if groups.is_empty() || user.is_empty() {
        return false;
    }
    match tokio::time::timeout(READ_TIMEOUT, read()).await {
        Ok(Ok((users, members))) => is_member(&users, &members, groups, user),
        Ok(Err(error)) => {
            warn!(error = &error as &dyn std::error::Error, "groups of this host not read");
            false
        }
        Err(_) => {
            warn!(limit = ?READ_TIMEOUT, "groups of this host not read in time");
            false
        }
    }
}

async fn read() -> std::io::Result<(String, String)> {
    Ok((tokio::fs::read_to_string("/etc/passwd").await?, tokio::fs::read_to_string("/etc/group").await?))
}

/// By the texts of `passwd(5)` and `group(5)`: the group of the user itself, or one that lists it.
fn is_member(passwd: &str, group: &str, wanted: &[String], user: &str) -> bool {
    let Some(own) = passwd.lines().map(fields).find(|line| line[0] == user).map(|line| line[3]) else {
        return false;
    };
    group.lines().map(fields).any(|[name, _, id, members]| {
        wanted.iter().any(|wanted| wanted == name)
            && (id == own || members.split(',').any(|member| member == user))
    })
}

/// The first four fields of a line; missing ones are empty.
fn fields(line: &str) -> [&str; 4] {
    let mut fields = line.split(':');
    std::array::from_fn(|_| fields.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:\nbob:x:1001:50::/:\n\n";
    const GROUP: &str = "root:x:0:\ndba:x:50:ann,eve\nops:x:51:\nbroken\n";

    #[test]
    fn members_are_those_listed_and_those_whose_own_group_it_is() {
        let is = |user, group: &str| is_member(PASSWD, GROUP, &[group.into()], user);
        assert!(is("ann", "dba"), "listed");
        assert!(is("bob", "dba"), "her own");
        assert!(!is("eve", "dba"), "listed, but no user of this host");
        assert!(!is("ann", "ops") && !is("ann", "nosuch") && !is("", "dba"));
        assert!(!is("root", "dba"));
    }
}
