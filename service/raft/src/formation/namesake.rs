//! Two nodes with one name: whoever waits for a group looks whether the process behind its own name is itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::local::Local;
use crate::transport::{Links, NodeReport};

/// How often a waiting node looks. A name that leads elsewhere is a mistake in a file, which stays.
const PAUSE: Duration = Duration::from_secs(2);
/// Whoever does not answer within this time is no reason to wait: names may not lead anywhere yet.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// What was found when this node last looked.
#[derive(Default)]
pub(super) struct Namesake {
    looked_at: Option<Instant>,
    found: Option<String>,
}

impl Namesake {
    /// What keeps this node from being reached under its name, if anything does; looks now and then.
    pub(super) async fn reason(&mut self, local: &Local, links: &Links) -> Option<String> {
        if self.looked_at.is_none_or(|at| at.elapsed() >= PAUSE) {
            let answer = links.probe(local.name(), ANSWER_LIMIT).await;
            self.found = answer.ok().and_then(|other| complaint(&local.report(), &other.report));
            self.looked_at = Some(Instant::now());
        }
        self.found.clone()
    }
}

/// What `answer`, given under the name of `me`, says against it.
fn complaint(me: &NodeReport, answer: &NodeReport) -> Option<String> {
    let is_other = (&answer.name, &answer.info, &answer.cluster, answer.node_id)
        != (&me.name, &me.info, &me.cluster, me.node_id);
    let who = if answer.info.http_uri.is_empty() { &answer.info.hostname } else { &answer.info.http_uri };
    is_other.then(|| {
        format!(
            "{}: another node answers under this name ({who}): each node needs a RaftAdvertise of its own, which leads \
             to it",
            me.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::{MemberInfo, PeerName};

    fn report(uri: &str, node_id: Option<u64>) -> NodeReport {
        let name = PeerName::parse("a").expect("a name");
        let raft_addr = name.to_string();
        let info = MemberInfo { raft_addr, http_uri: uri.into(), hostname: "h".into() };
        let (nodes, cluster) = (vec![name.clone()], node_id.map(|_| "g".to_owned()));
        NodeReport {
            name,
            info,
            cluster,
            node_id,
            epoch: 0,
            nodes,
            vote: None,
            last_log: None,
            members: None,
        }
    }

    #[test]
    fn a_process_knows_itself_and_nobody_else_under_its_name() {
        let me = report("http://a:3000", None);
        assert_eq!(complaint(&me, &me), None);
        let said = complaint(&me, &report("http://b:3000", None)).expect("another process");
        assert!(said.contains("another node answers under this name (http://b:3000)"), "{said}");
        assert!(complaint(&me, &report("http://a:3000", Some(1))).is_some(), "a member");
    }
}
