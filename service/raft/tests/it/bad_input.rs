//! Each thing that a person can get wrong has an error that says what to do.

use std::fs;

use orchestrator_raft::StartError;

use crate::group::Group;

async fn start_error(group: &mut Group, index: usize) -> StartError {
    match group.try_start(index).await {
        Ok(()) => panic!("the node started"),
        Err(error) => error,
    }
}

async fn error_with(change: impl FnOnce(&mut orchestrator_raft::RaftSettings)) -> StartError {
    let group = Group::of(3);
    let mut settings = group.settings(0);
    change(&mut settings);
    let machine = Box::new(crate::machine::DiskMachine(Default::default()));
    let answerer = std::sync::Arc::new(Nobody);
    match orchestrator_raft::RaftNode::start(settings, machine, answerer).await {
        Ok(_) => panic!("the node started"),
        Err(error) => error,
    }
}

struct Nobody;

impl orchestrator_raft::Answerer for Nobody {
    fn answer(
        &self,
        _: orchestrator_raft::Member,
        _: Vec<u8>,
    ) -> futures::future::BoxFuture<'static, Vec<u8>> {
        Box::pin(async { Vec::new() })
    }
}

#[tokio::test]
async fn a_wrong_list_of_nodes_is_refused() {
    let twice = error_with(|s| s.nodes.push(s.nodes[0].to_uppercase())).await;
    assert!(matches!(twice, StartError::DuplicateNode { .. }), "{twice}");
    let without = error_with(|s| drop(s.nodes.remove(0))).await;
    assert!(without.to_string().contains("does not name"), "{without}");
    let many = error_with(|s| s.nodes.extend((0..9).map(|n| format!("n{n}")))).await;
    assert!(matches!(many, StartError::TooManyNodes { .. }), "{many}");
    for name in ["", "a:b", "a:0", "http://a:1"] {
        let bad = error_with(|s| s.nodes[1] = name.into()).await;
        assert!(matches!(bad, StartError::BadName { setting: "RaftNodes", .. }), "{name}: {bad}");
    }
    let bad = error_with(|s| s.bind = "no port:x".into()).await;
    assert!(matches!(bad, StartError::BadName { setting: "RaftBind", .. }), "{bad}");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_is_refused() {
    let none = error_with(|s| s.data_dir = Default::default()).await;
    assert!(matches!(none, StartError::NoDataDir), "{none}");
    let file = tempfile::NamedTempFile::new().unwrap();
    let under_a_file = error_with(|s| s.data_dir = file.path().join("raft")).await;
    assert!(matches!(under_a_file, StartError::DataDir { .. }), "{under_a_file}");
}

#[tokio::test]
async fn timings_that_do_not_fit_are_refused() {
    let bad = error_with(|s| s.timings.election_min = s.timings.election_max).await;
    assert!(matches!(bad, StartError::Timings { .. }), "{bad}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_refused() {
    let mut group = Group::of(1);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    group.places[0].name = taken.local_addr().unwrap().to_string();
    let error = start_error(&mut group, 0).await;
    assert!(matches!(error, StartError::Listen { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_use_is_refused() {
    let group = Group::started(1).await;
    let mut settings = group.settings(0);
    settings.bind = crate::group::free_address();
    settings.nodes = Vec::new();
    let machine = Box::new(crate::machine::DiskMachine(Default::default()));
    let error = orchestrator_raft::RaftNode::start(settings, machine, std::sync::Arc::new(Nobody)).await;
    assert!(matches!(error, Err(StartError::Locked { .. })), "{:?}", error.err());
    group.write("unharmed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_mixed_up_files_are_refused() {
    let mut group = Group::started(1).await;
    group.write("something").await;
    group.kill(0).await;
    let dir = group.places[0].dir.path().join("raft");
    let (log, identity) = (dir.join("raft.db"), dir.join("identity.json"));
    let (good_log, good_identity) = (fs::read(&log).unwrap(), fs::read(&identity).unwrap());

    fs::write(&log, b"this is no database, whatever its name says, and long enough to be one").unwrap();
    let error = start_error(&mut group, 0).await;
    assert!(matches!(error, StartError::Corrupt { .. }), "{error}");

    fs::remove_file(&log).unwrap();
    let error = start_error(&mut group, 0).await;
    assert!(matches!(error, StartError::LogLost { node_id: 1, .. }), "{error}");

    fs::write(&log, &good_log).unwrap();
    fs::write(&identity, br#"{"ClusterID":"another","NodeID":1,"Epoch":1}"#).unwrap();
    let error = start_error(&mut group, 0).await;
    assert!(matches!(error, StartError::ForeignLog { .. }), "{error}");

    fs::write(&identity, b"{").unwrap();
    let error = start_error(&mut group, 0).await;
    assert!(matches!(error, StartError::Corrupt { .. }), "{error}");

    fs::remove_file(&identity).unwrap();
    let error = start_error(&mut group, 0).await;
    assert!(matches!(error, StartError::Corrupt { .. }), "{error}");

    fs::write(&identity, &good_identity).unwrap();
    group.start(0).await;
    group.everybody_healthy().await;
}
