//! What a node does next on its way into a group, as a function of what everybody says.
//!
//! Invariant: of any set of nodes with the same `RaftNodes`, at most one ever answers [`Next::Form`],
//! and only while no node that it can see has voted.

use crate::member::PeerName;
use crate::transport::NodeReport;

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// This node forms the group with all nodes of its list.
    Form,
    /// Wait, for these reasons; each begins with the name of the node that it is about.
    Wait(Vec<String>),
}

/// Decides for `me`, given what each other node of the list answered, or why it did not.
pub(crate) fn decide(me: &NodeReport, others: &[(PeerName, Result<NodeReport, String>)]) -> Next {
    let reports = || others.iter().filter_map(|(name, answer)| Some((name, answer.as_ref().ok()?)));
    let formed = |report: &NodeReport| report.epoch > 0 && report.last_log.is_some();
    if reports().any(|(_, report)| formed(report)) {
        let groups = reports().filter(|(_, report)| formed(report));
        return Next::Wait(groups.map(|(name, report)| why_not_mine(me, name, report)).collect());
    }
    let reasons: Vec<String> =
        others.iter().filter_map(|(name, answer)| obstacle(me, name, answer)).collect();
    if !reasons.is_empty() {
        return Next::Wait(reasons);
    }
    match me.nodes.first() {
        Some(first) if *first != me.name => {
            Next::Wait(vec![format!("{first}: it forms the group, being the first by name")])
        }
        _ => Next::Form,
    }
}

fn why_not_mine(me: &NodeReport, name: &PeerName, formed: &NodeReport) -> String {
    let group = formed.cluster.as_deref().unwrap_or("unknown");
    if me.cluster == formed.cluster {
        return format!("{name}: the leader of group {group} has not called this node yet");
    }
    if !formed.nodes.contains(&me.name) {
        return format!(
            "{name}: a group exists ({group}), and its RaftNodes do not name {}: restart or reload it with the new \
             list, or add this node on the leader",
            me.name
        );
    }
    format!("{name}: a group exists ({group}), whose leader has not taken this node in yet")
}

/// Decides for `me`, which was told to form the group `cluster_id` with the nodes that were asked.
pub(crate) fn decide_order(
    me: &NodeReport,
    cluster_id: Option<&str>,
    others: &[(PeerName, Result<NodeReport, String>)],
) -> Next {
    let obstacles = others.iter().filter_map(|(name, answer)| match answer {
        Err(error) => Some(format!("{name}: {error}")),
        Ok(report) if report.name != *name => Some(format!("{name}: who answers there is {}", report.name)),
        // One that voted in this very group was there when it was formed by an earlier try.
        Ok(report) if !report.is_empty() && report.cluster.as_deref() != cluster_id => {
            Some(format!("{name}: it belongs to another group"))
        }
        Ok(_) => None,
    });
    let obstacles: Vec<String> = obstacles.collect();
    if !me.is_empty() && me.cluster.as_deref() != cluster_id {
        return Next::Wait(vec![format!("{}: it belongs to another group", me.name)]);
    }
    if obstacles.is_empty() { Next::Form } else { Next::Wait(obstacles) }
}

fn obstacle(me: &NodeReport, name: &PeerName, answer: &Result<NodeReport, String>) -> Option<String> {
    let report = match answer {
        Ok(report) => report,
        Err(error) => return Some(format!("{name}: {error}")),
    };
    if report.name != *name {
        return Some(format!("{name}: who answers there is {}", report.name));
    }
    if report.nodes != me.nodes {
        let list = report.nodes.iter().map(PeerName::as_str).collect::<Vec<_>>().join(", ");
        return Some(format!("{name}: its RaftNodes differ ({list})"));
    }
    let bound_elsewhere = report.epoch > 0 && report.cluster != me.cluster;
    bound_elsewhere.then(|| format!("{name}: it belongs to another group"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> PeerName {
        PeerName::parse(text).unwrap()
    }

    fn report(me: &str) -> NodeReport {
        NodeReport {
            name: name(me),
            info: Default::default(),
            cluster: None,
            node_id: None,
            epoch: 0,
            nodes: vec![name("a"), name("b"), name("c")],
            vote: None,
            last_log: None,
            members: None,
        }
    }

    fn answers(all: &[(&str, Result<NodeReport, &str>)]) -> Vec<(PeerName, Result<NodeReport, String>)> {
        all.iter().map(|(n, answer)| (name(n), answer.clone().map_err(str::to_owned))).collect()
    }

    fn waits(next: &Next) -> String {
        match next {
            Next::Form => "form".into(),
            Next::Wait(reasons) => reasons.join(" | "),
        }
    }

    #[test]
    fn only_the_first_by_name_forms_the_group() {
        let formers: Vec<&str> = ["a", "b", "c"]
            .into_iter()
            .filter(|me| {
                let others: Vec<_> =
                    ["a", "b", "c"].into_iter().filter(|n| n != me).map(|n| (n, Ok(report(n)))).collect();
                decide(&report(me), &answers(&others)) == Next::Form
            })
            .collect();
        assert_eq!(formers, ["a"]);
    }

    #[test]
    fn a_node_that_does_not_answer_is_named_with_its_reason() {
        let next = decide(&report("a"), &answers(&[("b", Ok(report("b"))), ("c", Err("refused"))]));
        assert_eq!(waits(&next), "c:10008: refused");
    }

    #[test]
    fn different_lists_form_no_group() {
        let mut other = report("b");
        other.nodes.push(name("d"));
        let next = decide(&report("a"), &answers(&[("b", Ok(other)), ("c", Ok(report("c")))]));
        assert!(waits(&next).contains("b:10008: its RaftNodes differ"), "{next:?}");
    }

    #[test]
    fn an_empty_disk_never_forms_a_second_group() {
        let mut formed = report("b");
        formed.cluster = Some("g".into());
        formed.epoch = 1;
        formed.last_log = Some(crate::types::LogId::new_term_index(1, 0));
        let next = decide(&report("a"), &answers(&[("b", Ok(formed.clone())), ("c", Err("refused"))]));
        assert!(waits(&next).contains("has not taken this node in yet"), "{next:?}");
        formed.nodes = vec![name("b"), name("c")];
        let next = decide(&report("a"), &answers(&[("b", Ok(formed.clone())), ("c", Err("refused"))]));
        assert!(waits(&next).contains("do not name a:10008"), "{next:?}");
        let mut assigned = report("c");
        assigned.cluster = Some("g".into());
        let next = decide(&assigned, &answers(&[("a", Err("refused")), ("b", Ok(formed))]));
        assert!(waits(&next).contains("has not called this node yet"), "{next:?}");
    }

    #[test]
    fn a_former_that_died_half_way_forms_again() {
        let mut assigned = report("b");
        assigned.cluster = Some("old".into());
        assert_eq!(
            decide(&report("a"), &answers(&[("b", Ok(assigned)), ("c", Ok(report("c")))])),
            Next::Form
        );
    }
}
