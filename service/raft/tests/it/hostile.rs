//! Peers that mean ill, or are broken, and know the group's numbers: they are refused, and the group goes on.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::group::{Group, PATIENCE, wait_health};
use crate::raw::{Raw, report_of, text};

/// Connections of [`garbage_that_is_nearly_right_ends_nobody`].
const ROUNDS: usize = 400;

const SHA256_OF_1234: &str = "03ac674216f3e15c761ee1a5e255f067953623c8b388b4459e13f978d7c846f4";

/// A group, and a follower whose leader is imitated.
struct Scene {
    group: Group,
    follower: usize,
    mine: Value,
    leader: Value,
}

impl Scene {
    async fn set() -> Self {
        let group = Group::started(3).await;
        let index = group.write("before").await;
        group.converged(index).await;
        let leads = group.leader().await;
        let follower = (leads + 1) % 3;
        let mine = report_of(&group.places[follower].name).await;
        let leader = report_of(&group.places[leads].name).await;
        Self { group, follower, mine, leader }
    }

    /// A connection in the name of the leader.
    async fn caller(&self) -> Raw {
        let cluster = self.mine["cluster"].as_str().unwrap();
        let (from, to) = (number(&self.leader), number(&self.mine));
        let mut caller = Raw::connect(&self.group.places[self.follower].name, cluster, from, to).await;
        let welcome = caller.hello("Member", &self.leader).await;
        assert_eq!(welcome.0, "Welcome", "{}", text(&welcome));
        caller
    }

    /// Refused for a reason with these words, and cut off.
    async fn refuses(&self, kind: &str, body: &Value, words: &str) {
        let mut caller = self.caller().await;
        let refused = caller.call(kind, &serde_json::to_vec(body).unwrap()).await;
        let told = refused.0 == "Refused" && text(&refused).contains(words);
        assert!(told, "{kind} {body}: {} {}", refused.0, text(&refused));
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, caller.stream.read_to_end(&mut rest)).await;
        assert!(closed.is_ok() && rest.is_empty(), "{kind} {body}: the connection goes on");
    }

    fn term(&self) -> u64 {
        self.mine["vote"]["leader_id"]["term"].as_u64().unwrap()
    }

    fn last(&self) -> u64 {
        self.mine["last_log"]["index"].as_u64().unwrap()
    }

    /// Entries of that leader that go on with the follower's log.
    fn append(&self) -> Value {
        let id = json!({ "leader_id": self.term(), "index": self.last() + 1 });
        json!({
            "vote": self.mine["vote"], "prev_log_id": self.mine["last_log"], "leader_commit": null,
            "entries": [{ "log_id": id, "payload": "Blank" }],
        })
    }

    /// A vote request in the name of that leader.
    fn stand(&self, term: u64) -> Value {
        let vote =
            json!({ "leader_id": { "term": term, "voted_for": number(&self.leader) }, "committed": false });
        json!({ "vote": vote, "last_log_id": self.mine["last_log"], "leadership_transfer": true })
    }

    /// Nobody stopped, nobody was deposed, and what is written arrives everywhere.
    async fn goes_on(&self) {
        self.group.everybody_healthy().await;
        for place in &self.group.places {
            let node = place.node.as_ref().unwrap();
            assert_eq!(*node.fatal().borrow(), None, "{} stopped", place.name);
            assert_eq!(node.leadership().term, self.term(), "{} is in another term", place.name);
        }
        let index = self.group.write("after").await;
        self.group.converged(index).await;
    }
}

fn number(report: &Value) -> u64 {
    report["node_id"].as_u64().unwrap()
}

/// `value` with what `path` leads to replaced.
fn with(value: &Value, path: &str, new: Value) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = new;
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_no_leader_can_have_sent_are_refused_and_the_node_serves_on() {
    let scene = Scene::set().await;
    let good = scene.append();
    for (path, new, words) in [
        ("", json!("AppendEntries"), "cannot be read"),
        ("/vote", json!(null), "cannot be read"),
        ("/vote/leader_id/term", json!(-1), "cannot be read"),
        ("/vote/leader_id/term", json!(1e300), "cannot be read"),
        ("/vote/leader_id/voted_for", json!(null), "cannot be read"),
        ("/entries", json!({}), "cannot be read"),
        ("/entries/0", json!(7), "cannot be read"),
        ("/entries/0/log_id/index", json!("7"), "cannot be read"),
        ("/entries/0/payload", json!({ "Normal": {} }), "cannot be read"),
        ("/entries/0/payload", json!({ "Normal": { "v": 1, "c": { "Nothing": {} } } }), "makes no sense"),
        ("/entries/0/payload", json!({ "Membership": { "configs": [], "nodes": {} } }), "no voters"),
        ("/entries/0/payload", json!({ "Membership": { "configs": [[1]], "nodes": {} } }), "without a name"),
        ("/entries/0/log_id/index", json!(u64::MAX), "do not follow"),
        ("/prev_log_id/index", json!(u64::MAX), "beyond every log"),
        ("/prev_log_id/leader_id", json!(u64::MAX), "after its own"),
        ("/prev_log_id", json!(null), "do not follow"),
        ("/leader_commit", json!({ "leader_id": 1, "index": u64::MAX }), "beyond every log"),
        ("/vote/leader_id/term", json!(u64::MAX), "beyond this node's"),
        ("/vote/leader_id/voted_for", json!(number(&scene.mine)), "for another node"),
        ("/vote/committed", json!(false), "was not elected"),
    ] {
        scene.refuses("AppendEntries", &with(&good, path, new), words).await;
    }
    // A command of a later version stops a node only where its own leader sends it.
    let newer = json!({ "Normal": { "v": 99, "c": { "FromTheFuture": {} } } });
    let stranger =
        with(&with(&good, "/entries/0/payload", newer), "/vote/leader_id/term", json!(scene.term() + 1));
    scene.refuses("AppendEntries", &stranger, "upgrade it").await;
    scene.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_peer_takes_the_group_to_the_end_of_all_terms() {
    let scene = Scene::set().await;
    for term in [u64::MAX, u64::MAX - 1, u64::MAX / 2, 1 << 60] {
        for kind in ["Vote", "PreVote"] {
            scene.refuses(kind, &scene.stand(term), "beyond this node's").await;
        }
        let heartbeat = with(&scene.append(), "/entries", json!([]));
        let heartbeat = with(&heartbeat, "/vote/leader_id/term", json!(term));
        scene.refuses("AppendEntries", &heartbeat, "beyond this node's").await;
        let vote = &heartbeat["vote"];
        let wish = json!({ "from_leader": vote, "to_node_id": number(&scene.mine), "last_log_id": null });
        scene.refuses("TransferLeader", &wish, "beyond this node's").await;
        let hello = with(&scene.leader, "/vote/leader_id/term", json!(term));
        let cluster = scene.mine["cluster"].as_str().unwrap();
        let address = &scene.group.places[scene.follower].name;
        let (from, to) = (number(&scene.leader), number(&scene.mine));
        for purpose in ["Member", "Probe"] {
            let refused = Raw::connect(address, cluster, from, to).await.hello(purpose, &hello).await;
            assert!(refused.0 == "Refused" && text(&refused).contains("beyond this node's"), "{refused:?}");
        }
    }
    let far = with(&scene.stand(scene.term() + 1), "/last_log_id/index", json!(u64::MAX));
    scene.refuses("Vote", &far, "beyond every log").await;
    scene.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raft_snapshot_that_no_leader_can_have_sent_is_refused_before_anything_is_replaced() {
    let scene = Scene::set().await;
    let members = json!({ "log_id": null, "membership": { "configs": [], "nodes": {} } });
    let good = json!({
        "format": 1, "vote": scene.mine["vote"], "last_log": scene.mine["last_log"], "membership": members,
        "bytes": 4, "sha256": "00",
    });
    for (path, new, words) in [
        ("/format", json!(-1), "cannot be read"),
        ("/bytes", json!(-1), "cannot be read"),
        ("/membership", json!(7), "cannot be read"),
        ("/last_log/index", json!(u64::MAX), "beyond every log"),
        ("/last_log/leader_id", json!(scene.term() + 1), "after its own"),
        ("/vote/leader_id/term", json!(u64::MAX), "beyond this node's"),
        ("/vote/committed", json!(false), "was not elected"),
    ] {
        scene.refuses("SnapshotBegin", &with(&good, path, new), words).await;
    }
    // The leader of a later term, whose log contradicts this one.
    let later = with(&good, "/vote/leader_id/term", json!(scene.term() + 1));
    let later = with(&later, "/last_log/leader_id", json!(scene.term() + 1));
    scene.refuses("SnapshotBegin", &later, "contradicts").await;
    // Longer than announced, shorter, and another one than announced.
    for chunk in [&b"12345"[..], b"123", b"1234"] {
        let mut caller = scene.caller().await;
        let announced = caller.call("SnapshotBegin", &serde_json::to_vec(&good).unwrap()).await;
        assert_eq!(announced.0, "Reply", "{}", text(&announced));
        let taken = caller.call("SnapshotChunk", chunk).await.0 == "Reply";
        assert!(!taken || caller.call("SnapshotEnd", b"").await.0 == "Failed", "{chunk:?}");
    }
    // As announced, and no state.
    let garbage = with(&good, "/sha256", json!(SHA256_OF_1234));
    let mut caller = scene.caller().await;
    for (kind, body) in
        [("SnapshotBegin", serde_json::to_vec(&garbage).unwrap()), ("SnapshotChunk", b"1234".to_vec())]
    {
        let taken = caller.call(kind, &body).await;
        assert_eq!(taken.0, "Reply", "{kind}: {}", text(&taken));
    }
    let refused = caller.call("SnapshotEnd", b"").await;
    assert!(refused.0 == "Refused" && text(&refused).contains("no state"), "{}", text(&refused));
    let parts = std::fs::read_dir(scene.group.places[scene.follower].dir.path().join("raft/snapshots"));
    assert_eq!(parts.unwrap().count(), 0, "nothing is left of them");
    scene.goes_on().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_talks_a_member_out_of_its_group_or_spoils_what_is_known_of_another() {
    let scene = Scene::set().await;
    let (address, cluster) =
        (&scene.group.places[scene.follower].name, scene.mine["cluster"].as_str().unwrap());
    let (from, to) = (number(&scene.leader), number(&scene.mine));
    // Others are the group, says somebody who is none of them.
    for (purpose, ids) in [("Probe", json!([from])), ("Member", json!([65_600]))] {
        let removed = with(&scene.leader, "/members", json!({ "index": 1_000_000, "ids": ids }));
        let heard = Raw::connect(address, cluster, from, to).await.hello(purpose, &removed).await;
        assert_eq!(heard.0, "Welcome", "{}", text(&heard));
    }
    // What a third node has on its disk, by somebody who is another one.
    let third = 6 - from - to;
    let lie =
        with(&with(&scene.leader, "/node_id", json!(third)), "/vote/leader_id/term", json!(scene.term() + 7));
    let refused = Raw::connect(address, cluster, from, to).await.hello("Member", &lie).await;
    assert!(refused.0 == "Refused" && text(&refused).contains("another one as well"), "{refused:?}");
    let mut caller = scene.caller().await;
    caller.header["from"] = json!(third);
    let refused = caller.call("Report", &serde_json::to_vec(&scene.leader).unwrap()).await;
    assert!(refused.0 == "Refused" && text(&refused).contains("a connection of node"), "{refused:?}");
    assert!(!scene.group.node(scene.follower).health().removed);
    scene.goes_on().await;
}

/// Answers whoever connects in the name of `report`, and each request with nonsense.
async fn answer(listener: TcpListener, report: Value) {
    let mut visits = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        visits.spawn(talk(stream, report.clone()));
    }
}

async fn talk(mut stream: TcpStream, report: Value) -> std::io::Result<()> {
    let mut preamble = [0; 10];
    stream.read_exact(&mut preamble).await?;
    for round in 0.. {
        let mut frame = vec![0; stream.read_u32().await? as usize];
        stream.read_exact(&mut frame).await?;
        let header = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
        let header: Value = serde_json::from_slice(&frame[2..2 + header])?;
        match header["kind"].as_str().unwrap_or_default() {
            "Hello" => send(&mut stream, "Welcome", &report).await?,
            kind => send(&mut stream, "Reply", &nonsense(kind, round)).await?,
        }
    }
    Ok(())
}

async fn send(stream: &mut TcpStream, kind: &str, body: &Value) -> std::io::Result<()> {
    let header = serde_json::to_vec(&json!({ "v": 1, "kind": kind }))?;
    let body = serde_json::to_vec(body)?;
    stream.write_u32(u32::try_from(2 + header.len() + body.len()).unwrap()).await?;
    stream.write_u16(u16::try_from(header.len()).unwrap()).await?;
    stream.write_all(&header).await?;
    stream.write_all(&body).await
}

fn nonsense(kind: &str, round: usize) -> Value {
    let vote = json!({ "leader_id": { "term": u64::MAX, "voted_for": 1 }, "committed": true });
    let far = json!({ "leader_id": 1, "index": u64::MAX });
    match (kind, round % 4) {
        ("Vote" | "PreVote", _) => json!({ "vote": vote, "vote_granted": false, "last_log_id": far }),
        ("AppendEntries", 0) => json!({ "HigherVote": vote }),
        ("AppendEntries", 1) => json!("Conflict"),
        ("AppendEntries", 2) => json!({ "PartialSuccess": far }),
        ("AppendEntries", _) => json!({ "PartialSuccess": null }),
        ("TransferLeader", _) => json!({ "Err": { "VoteChanged": { "expected": vote, "actual": vote } } }),
        _ => json!({ "vote": vote }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_answers_with_nonsense_is_called_that_and_moves_nobody() {
    let mut group = Group::started(3).await;
    let leader = group.leader().await;
    let term = group.node(leader).leadership().term;
    let away = (leader + 1) % 3;
    let report = report_of(&group.places[away].name).await;
    let listens_at = group.places[away].name.clone();
    group.kill(away).await;
    let listener = TcpListener::bind(&listens_at).await.unwrap();
    let mut answering = JoinSet::new();
    answering.spawn(answer(listener, report));
    let senseless = |health: &orchestrator_raft::Health| {
        health
            .peers
            .iter()
            .any(|peer| peer.problem.as_deref().is_some_and(|text| text.contains("makes no sense")))
    };
    wait_health(group.node(leader), "told nonsense", senseless).await;
    for n in 0..10 {
        group.write(&format!("key-{n}")).await;
    }
    assert_eq!(group.node(leader).leadership().term, term, "it leads on");
    for node in group.running() {
        assert_eq!(*group.node(node).fatal().borrow(), None);
    }
    group.everybody_healthy().await;
}

/// Chance by a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % end as u64).unwrap()
    }
}

/// `body` with some of its bytes changed, its end cut off, or a number made huge.
fn spoilt(body: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut body = body.to_vec();
    match dice.below(3) {
        0 => body.truncate(dice.below(body.len())),
        1 => {
            for _ in 0..=dice.below(4) {
                let at = dice.below(body.len());
                body[at] = u8::try_from(dice.below(256)).unwrap();
            }
        }
        _ => {
            let digits: Vec<usize> = (0..body.len()).filter(|at| body[*at].is_ascii_digit()).collect();
            let at = digits[dice.below(digits.len())];
            let number =
                ["18446744073709551615", "-1", "9223372036854775808", "1e999", "\"x\""][dice.below(5)];
            body.splice(at..=at, number.bytes());
        }
    }
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_that_is_nearly_right_ends_nobody() {
    let seed = std::env::var("ORC_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("ORC_SEED={seed}");
    let mut dice = Dice(seed);
    let scene = Scene::set().await;
    // Of a former term, so that what is right in spite of all moves nothing: what is looked for is a fall.
    let old = ["/vote/leader_id/term", "/prev_log_id/leader_id", "/entries/0/log_id/leader_id"];
    let append = old.iter().fold(scene.append(), |body, path| with(&body, path, json!(0)));
    let bodies = [
        ("AppendEntries", append.clone()),
        ("AppendEntries", with(&append, "/entries", json!([]))),
        ("Vote", scene.stand(0)),
        ("PreVote", scene.stand(scene.term() + 1)),
        ("TransferLeader", json!({ "from_leader": append["vote"], "to_node_id": 0, "last_log_id": null })),
        ("SnapshotBegin", json!({ "format": 1, "vote": append["vote"], "last_log": null, "bytes": 1 })),
        ("Report", with(&scene.leader, "/members", json!(null))),
        ("Assign", json!({ "cluster": "c", "node_id": 1, "by": "a:1", "nodes": ["a:1"], "joins": 1 })),
        ("Founding", json!({ "cluster": "c", "by": "a:1", "format": 1, "bytes": 1, "sha256": "" })),
        ("SnapshotChunk", json!(1)),
        ("Ask", json!([1])),
    ];
    for round in 0..ROUNDS {
        let (kind, body) = &bodies[dice.below(bodies.len())];
        let body = spoilt(&serde_json::to_vec(body).unwrap(), &mut dice);
        let mut caller = scene.caller().await;
        let (answer, _) = caller.call(kind, &body).await;
        let known = ["Reply", "Failed", "Refused"].contains(&answer.as_str());
        let body = body.escape_ascii();
        assert!(known, "round {round} of ORC_SEED={seed}: {kind} {body} was answered {answer}");
    }
    scene.group.everybody_healthy().await;
    for place in &scene.group.places {
        let reason = place.node.as_ref().unwrap().fatal().borrow().clone();
        assert_eq!(reason, None, "{} stopped; ORC_SEED={seed}", place.name);
    }
    let index = scene.group.write("after").await;
    scene.group.converged(index).await;
}
