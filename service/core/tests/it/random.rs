//! Any topology at all: no panic, at most one finding each, the same twice, downtime respected.

use std::collections::BTreeSet;

use orchestrator_core::{
    analysis::{AnalysisCode, StructureWarning, classify, explain},
    picture::{Picture, draw},
    policy::AnalysisPolicy,
    topology::Topology,
};
use proptest::prelude::*;

use crate::support::findings;

const WORDS: &[&str] = &[
    "unreachable",
    "silent",
    "unresolved",
    "denied",
    "partial",
    "never-seen",
    "hanging",
    "unchecked",
    "io=no",
    "io=connecting",
    "io=waiting",
    "sql=no",
    "quiet=9000",
    "lag=30",
    "lag=null",
    "delay=3600",
    "downtimed",
    "lost",
    "maintenance",
    "ro",
    "rw",
    "mariadb",
    "maxscale",
    "version=5.7.1",
    "log=none",
    "log=own",
    "log=mixed",
    "follows=position",
    "mode=OFF",
    "gtid=#1:1-5",
    "gtid=#2:3",
    "semi=2/1",
    "semi=1/2/off",
    "blocked=1",
    "standing=60",
    "group=g/PRIMARY/ONLINE",
    "group=g/SECONDARY/ONLINE",
    "alias=shop",
    "source=none",
    "source=n1",
    "source=n3",
    "source=//n1:3306",
    "source=elsewhere",
];

fn any_picture() -> impl Strategy<Value = Picture> {
    let words = proptest::sample::subsequence(WORDS, 0..5);
    let line = (0..4_usize, words);
    proptest::collection::vec(line, 0..9).prop_map(|lines| {
        let text: Vec<_> = lines
            .into_iter()
            .enumerate()
            .map(|(at, (indent, words))| {
                // Words about replication mean nothing without a source, so each has one to begin with.
                let source = if words.is_empty() { "" } else { "source=n2" };
                format!("{}n{at} {source} {}", " ".repeat(indent), of_one_source(&words).join(" "))
            })
            .collect();
        draw(&text.join("\n"))
    })
}

/// Words in an order that pictures take: those that end replication last.
fn of_one_source(words: &[&'static str]) -> Vec<&'static str> {
    let ends = |word: &&str| *word == "source=none" || word.starts_with("group=");
    let (last, mut first): (Vec<_>, Vec<_>) = words.iter().copied().partition(ends);
    first.extend(last);
    first
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_instance_has_one_place_and_one_finding_at_most(drawn in any_picture()) {
        let topology = Topology::of(&drawn.view);
        let members: usize = topology.clusters().map(|(_, members)| members.len()).sum();
        prop_assert_eq!(members, drawn.view.len());
        for (cluster, members) in topology.clusters() {
            let heads = members.iter().filter(|key| topology.place(key).is_some_and(|place| place.depth == 0));
            prop_assert_eq!(heads.map(ToString::to_string).collect::<Vec<_>>(), [cluster.to_string()]);
        }
        let findings = findings(&AnalysisPolicy::default(), &drawn);
        let keys: BTreeSet<_> = findings.iter().map(|finding| &finding.key).collect();
        prop_assert_eq!(keys.len(), findings.len());
    }

    #[test]
    fn the_same_view_gives_the_same_findings(drawn in any_picture()) {
        let policy = AnalysisPolicy::default();
        prop_assert_eq!(findings(&policy, &drawn), findings(&policy, &drawn.clone()));
    }

    #[test]
    fn what_is_downtimed_or_alive_is_never_replaced(drawn in any_picture()) {
        for finding in findings(&AnalysisPolicy::default(), &drawn) {
            if drawn.view.declared.downtimes.contains_key(&finding.key) {
                prop_assert!(!finding.is_actionable());
            }
            let is_dead = finding.code.as_str().starts_with("Dead");
            prop_assert!(!is_dead || !finding.facts.sight.valid && !finding.facts.sight.proven_alive);
            prop_assert!(!is_dead || finding.facts.replicas.replicating == 0);
        }
    }

    #[test]
    fn the_explanation_ends_with_the_code(drawn in any_picture()) {
        for finding in findings(&AnalysisPolicy::default(), &drawn) {
            let tried = explain(&finding.facts);
            let matched: Vec<_> = tried.iter().filter(|tried| tried.matches).map(|tried| tried.code).collect();
            let expected: Vec<_> = Some(finding.code).filter(|code| *code != AnalysisCode::NoProblem).into_iter().collect();
            prop_assert_eq!(matched, expected);
            prop_assert_eq!(classify(&finding.facts), finding.code);
            prop_assert_eq!(StructureWarning::of(&finding.facts), finding.structure);
        }
    }
}
