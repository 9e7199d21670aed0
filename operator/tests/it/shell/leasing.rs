//! One operator works, the next one takes over.

use std::time::Duration;

use orchestrator_operator::shell::lease::{Election, Terms};
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::fake::FakeApi;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/here/leases/operator";

fn election(api: &FakeApi, holder: &str) -> Election {
    let terms = Terms {
        name: "operator".into(),
        namespace: "here".into(),
        holder: holder.into(),
        duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry: Duration::from_secs(2),
    };
    Election::new(api.client(), terms)
}

fn holder(api: &FakeApi) -> String {
    api.get(LEASE).expect("there is one")["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_second_waits_until_the_first_lets_go() {
    let (api, stop) = (FakeApi::default(), CancellationToken::new());
    let (mut first, mut second) = (election(&api, "first"), election(&api, "second"));
    assert!(first.acquire(&stop).await);
    let minute = Duration::from_secs(60);
    let kept = timeout(minute, async {
        tokio::select! { lost = first.keep() => panic!("{lost}"), _ = second.acquire(&stop) => panic!("both work") }
    });
    assert!(kept.await.is_err(), "the first renews for ever");
    assert_eq!(holder(&api), "first");
    first.release().await;
    assert!(timeout(Duration::from_secs(5), second.acquire(&stop)).await.expect("at once"));
    assert_eq!(holder(&api), "second");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_gone_is_followed_after_its_time() {
    let (api, stop) = (FakeApi::default(), CancellationToken::new());
    assert!(election(&api, "first").acquire(&stop).await);
    let began = tokio::time::Instant::now();
    assert!(election(&api, "second").acquire(&stop).await);
    let waited = began.elapsed().as_secs();
    assert!((15..=18).contains(&waited), "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn whoever_lost_it_ends() {
    let (api, stop) = (FakeApi::default(), CancellationToken::new());
    let mut first = election(&api, "first");
    assert!(first.acquire(&stop).await);
    let mut lease = api.get(LEASE).expect("there is one");
    lease["spec"]["holderIdentity"] = json!("thief");
    api.put(LEASE, lease);
    let lost = timeout(Duration::from_secs(5), first.keep()).await.expect("it notices");
    assert_eq!(lost.to_string(), "the lease here/operator is lost: thief holds it");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_a_stop() {
    let (api, stop) = (FakeApi::default(), CancellationToken::new());
    assert!(election(&api, "first").acquire(&stop).await);
    stop.cancel();
    assert!(!election(&api, "second").acquire(&stop).await);
}
