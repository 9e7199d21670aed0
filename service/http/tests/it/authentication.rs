//! Who is let in, who may change things, and that nobody can pass for somebody else.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::FutureExt;
use http::{Request, StatusCode};
use orchestrator_config::{HttpAuth, Secret};
use orchestrator_core::Timestamp;
use orchestrator_http::{
    Auth, BindError, InvalidAuth, Listen, Server, Settings,
    ports::{AccessToken, Answer, PortError, StoredSecret, Tokens},
};

use crate::{
    fake::{Answered, FakeNode, World, follower_of},
    fleet::NOW,
    socket::Running,
};

/// Changes something, and notes who asked.
const ACT: &str = "/api/ack-all-recoveries?comment=x";
/// `dba:secret`.
const DBA: (&str, &str) = ("authorization", "Basic ZGJhOnNlY3JldA==");
/// `readonly:` and whatever.
const READ_ONLY: (&str, &str) = ("authorization", "Basic cmVhZG9ubHk6YW55dGhpbmc=");

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.into())
}

fn settings(method: &HttpAuth) -> Settings {
    Settings { auth: Auth::new(method).unwrap(), ..Settings::default() }
}

fn basic() -> HttpAuth {
    HttpAuth::Basic { user: "dba".into(), password: secret("secret") }
}

fn multi() -> HttpAuth {
    HttpAuth::Multi { user: "dba".into(), password: secret("secret") }
}

fn proxy(users: &[&str]) -> HttpAuth {
    let power_users = users.iter().map(|&user| user.into()).collect();
    HttpAuth::Proxy { user_header: "x-forwarded-user".into(), power_users, power_groups: Vec::new() }
}

fn world(method: &HttpAuth) -> World {
    World::with(FakeNode::default(), settings(method))
}

async fn ask(world: &World, path: &str, headers: &[(&str, &str)]) -> Answered {
    let request = headers.iter().fold(Request::builder().uri(path), |request, (k, v)| request.header(*k, *v));
    world.request(request.body(()).unwrap()).await
}

/// The act was done, by this user.
async fn acts(world: &World, headers: &[(&str, &str)], by: &str) {
    assert_eq!(ask(world, ACT, headers).await.status(), 200, "{headers:?}");
    assert_eq!(world.node.asked(), [format!("ack All by {by}: x")]);
}

/// The act was refused with the words that operators match, and not done.
async fn may_not_act(world: &World, headers: &[(&str, &str)]) {
    let unauthorized = r#"{"Code":"ERROR","Message":"Unauthorized","Details":null}"#;
    ask(world, ACT, headers).await.is(StatusCode::INTERNAL_SERVER_ERROR, unauthorized);
    assert!(world.node.asked().is_empty());
}

#[tokio::test]
async fn without_a_method_everybody_acts_as_this_machine() {
    acts(&world(&HttpAuth::None), &[DBA], "orc-0").await;
}

#[tokio::test]
async fn basic_and_multi_cover_all_but_probes() {
    for method in [basic(), multi()] {
        let world = world(&method);
        for path in ["/api/clusters", "/api/health", "/api/status", "/api/nosuch", "/metrics", "/", ACT] {
            let wrong = ("authorization", "Basic ZGJhOndyb25n");
            for headers in [&[][..], &[wrong]] {
                let answer = ask(&world, path, headers).await;
                answer.is(StatusCode::UNAUTHORIZED, "Not Authorized\n");
                assert_eq!(answer.header("www-authenticate"), "Basic realm=\"Authorization Required\"");
            }
        }
        for path in [
            "/api/lb-check",
            "/api/_ping",
            "/api/leader-check",
            "/api/leader-check/503",
            "/api/routed-leader-check",
            "/api/raft-health",
            "/livez",
            "/readyz",
        ] {
            assert_eq!(world.get(path).await.status(), 200, "{path}");
        }
        acts(&world, &[DBA], "dba").await;
    }
}

#[tokio::test]
async fn the_user_readonly_reads_with_any_password_and_changes_nothing() {
    let multi = world(&multi());
    assert_eq!(ask(&multi, "/api/clusters", &[READ_ONLY]).await.status(), 200);
    may_not_act(&multi, &[READ_ONLY]).await;
    let answer = ask(&world(&basic()), "/api/clusters", &[READ_ONLY]).await;
    assert_eq!(answer.status(), 401, "only multi knows that user");
}

#[tokio::test]
async fn read_only_comes_before_whoever_asks() {
    let anybody = proxy(&["*"]);
    for (method, headers) in [(HttpAuth::None, &[][..]), (basic(), &[DBA]), (multi(), &[DBA]), (anybody, &[])]
    {
        let world = World::with(FakeNode::default(), Settings { read_only: true, ..settings(&method) });
        may_not_act(&world, headers).await;
        assert_eq!(ask(&world, "/api/clusters", headers).await.status(), 200);
    }
}

#[tokio::test]
async fn a_proxy_in_front_says_who_asks() {
    let world = world(&proxy(&["ann", "bob"]));
    assert_eq!(world.get("/api/clusters").await.status(), 200, "reads need nothing");
    acts(&world, &[("X-Forwarded-User", "ann")], "ann").await;
    acts(&world, &[("x-forwarded-user", "bob")], "bob").await;
    let ann = ("x-forwarded-user", "ann");
    for headers in [
        &[][..],
        &[("x-forwarded-user", "eve")],
        &[("x-forwarded-user", "")],
        &[ann, ("x-forwarded-user", "eve")],
        &[("x-forwarded-user", "eve"), ann],
        &[DBA],
    ] {
        may_not_act(&world, headers).await;
    }
}

#[tokio::test]
async fn power_users_are_anybody_by_default_and_named_where_they_have_a_name() {
    let world = world(&proxy(&["*"]));
    acts(&world, &[], "orc-0").await;
    acts(&world, &[("x-forwarded-user", "ann")], "ann").await;
}

#[tokio::test]
async fn groups_of_this_host_may_act() {
    let in_group = |group: &str| {
        let power_groups = vec![group.to_owned()];
        let method =
            HttpAuth::Proxy { user_header: "X-Forwarded-User".into(), power_users: Vec::new(), power_groups };
        world(&method)
    };
    acts(&in_group("root"), &[("x-forwarded-user", "root")], "root").await;
    may_not_act(&in_group("root"), &[("x-forwarded-user", "nobody")]).await;
    may_not_act(&in_group("no-such-group"), &[("x-forwarded-user", "root")]).await;
    may_not_act(&in_group("root"), &[]).await;
}

/// A leader and a follower of one method.
async fn pair(method: &HttpAuth) -> (Running, World) {
    let settings = || Settings { listen: Listen::Tcp("127.0.0.1:0".into()), ..settings(method) };
    let leader = Running::with(settings()).await;
    let follower = World::with(FakeNode::default(), settings()).health(follower_of(&leader.uri()));
    (leader, follower)
}

#[tokio::test]
async fn a_leader_judges_a_forwarded_request_by_what_its_client_sent() {
    let (leader, follower) = pair(&multi()).await;
    assert_eq!(ask(&follower, ACT, &[DBA]).await.status(), 200);
    assert_eq!(leader.world.node.asked(), ["ack All by dba: x"]);
    let answer = ask(&follower, ACT, &[READ_ONLY]).await;
    assert_eq!((answer.status(), &answer.json()["Message"]), (500, &"Unauthorized".into()));
    // Nobody passes for a node that has admitted the client.
    let forged = [("x-orchestrator-forwarded", "1"), ("x-forwarded-user", "dba")];
    let answer = ask(&leader.world, ACT, &forged).await;
    assert_eq!(answer.status(), 401);
    assert!(leader.world.node.asked().is_empty());
}

#[tokio::test]
async fn the_user_that_a_proxy_named_reaches_the_leader() {
    let (leader, follower) = pair(&proxy(&["ann"])).await;
    let ann = ("x-forwarded-user", "ann");
    // A client may not have the follower take off what says who it is.
    for headers in [&[ann][..], &[ann, ("connection", "close, X-Forwarded-User")]] {
        assert_eq!(ask(&follower, ACT, headers).await.status(), 200, "{headers:?}");
        assert_eq!(leader.world.node.asked(), ["ack All by ann: x"]);
    }
    for headers in [&[][..], &[("x-forwarded-user", "eve")], &[ann, ann]] {
        assert_eq!(ask(&follower, ACT, headers).await.status(), 500, "{headers:?}");
    }
    assert!(leader.world.node.asked().is_empty());
}

/// What every token is redeemed for.
const SECRET_HALF: &str = "5ec7e7";

/// Tokens by their public half: redeemed or not, and what is kept of them.
#[derive(Default)]
struct FakeTokens {
    tokens: Mutex<Vec<(String, bool, AccessToken)>>,
    is_gone: bool,
}

impl FakeTokens {
    fn add(&self, public: &str, generated_at: Timestamp, is_reentrant: bool) {
        let stored = StoredSecret::digest_of(&secret(SECRET_HALF));
        let token = AccessToken { secret: StoredSecret::from_stored(stored), generated_at, is_reentrant };
        self.tokens.lock().unwrap().push((public.into(), false, token));
    }
}

impl Tokens for FakeTokens {
    fn issue(&self, owner: String, forget_before: Timestamp) -> Answer<'_, String> {
        assert_eq!(forget_before, NOW - Duration::from_secs(86_400));
        self.add(&format!("for{owner}"), NOW, false);
        async move { Ok(format!("for{owner}")) }.boxed()
    }

    fn find(&self, public: String) -> Answer<'_, Option<AccessToken>> {
        let tokens = self.tokens.lock().unwrap();
        let found = tokens.iter().find(|(name, ..)| *name == public).map(|(.., token)| token.clone());
        let answer = if self.is_gone { Err(PortError::Failed("gone".into())) } else { Ok(found) };
        async move { answer }.boxed()
    }

    fn redeem(&self, public: String, not_before: Timestamp) -> Answer<'_, Option<Secret<String>>> {
        let mut tokens = self.tokens.lock().unwrap();
        let found = tokens.iter_mut().find(|(name, redeemed, token)| {
            *name == public && (token.is_reentrant || (!redeemed && token.generated_at >= not_before))
        });
        let redeemed = found.map(|(_, redeemed, _)| {
            *redeemed = true;
            secret(SECRET_HALF)
        });
        async move { Ok(redeemed) }.boxed()
    }
}

fn token_method() -> HttpAuth {
    HttpAuth::Token { redeem_within: Duration::from_secs(60), lifetime: Duration::from_secs(86_400) }
}

fn token_world(tokens: FakeTokens) -> World {
    let auth = Auth::new(&token_method()).unwrap().with_tokens(Arc::new(tokens));
    let settings = Settings { auth, url_prefix: "/orc".into(), ..Settings::default() };
    World::with(FakeNode::default(), settings)
}

async fn redeem(world: &World, public: &str) -> Answered {
    world.get(&format!("/orc/web/access-token?publicToken={public}")).await
}

#[tokio::test]
async fn a_token_is_redeemed_once_for_a_cookie_that_other_sites_cannot_use() {
    let tokens = FakeTokens::default();
    tokens.add("abc1", NOW - Duration::from_secs(60), false);
    tokens.add("abc2", NOW - Duration::from_secs(61), false);
    tokens.add("abc3", NOW - Duration::from_secs(90_000), true);
    let world = token_world(tokens);
    let answer = redeem(&world, "abc1").await;
    assert_eq!((answer.status(), answer.header("location")), (302, "/orc/"));
    let cookie = "access-token=abc1:5ec7e7; Path=/; HttpOnly; SameSite=Strict";
    assert_eq!(answer.header("set-cookie"), cookie);
    for public in ["abc1", "abc2", "nosuch", "", "a%22b"] {
        let answer = redeem(&world, public).await;
        assert_eq!((answer.status(), answer.header("set-cookie")), (200, ""), "{public}");
        let message = format!("Cannot acquire token {}", public.replace("%22", "\""));
        assert_eq!((&answer.json()["Code"], &answer.json()["Message"]), (&"ERROR".into(), &message.into()));
    }
    for _ in 0..2 {
        assert_eq!(redeem(&world, "abc3").await.status(), 302, "reentrant");
    }
}

/// Posts a wish for a token with the operator's token.
async fn issue(world: &World, body: &str) -> Answered {
    let request = Request::builder().method("POST").uri("/orc/api/operator/access-token");
    world.send(request.header("authorization", "Bearer op").body(body.to_owned()).unwrap()).await
}

#[tokio::test]
async fn the_operator_makes_tokens_and_nobody_else() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "op\n").unwrap();
    let operator_token_file = Some(file.path().to_owned());
    let auth = Auth::new(&token_method()).unwrap().with_tokens(Arc::new(FakeTokens::default()));
    let url_prefix = "/orc".into();
    let settings = Settings { auth, url_prefix, operator_token_file, ..Settings::default() };
    let world = World::with(FakeNode::default(), settings.clone());
    issue(&world, r#"{"Owner":"Ann"}"#).await.is(
        StatusCode::OK,
        r#"{"PublicToken":"forAnn","Path":"/orc/web/access-token?publicToken=forAnn","RedeemWithinSeconds":60}"#,
    );
    assert_eq!(issue(&world, "").await.json()["PublicToken"], "for", "for nobody in particular");
    assert_eq!(redeem(&world, "forAnn").await.status(), 302);
    for (body, status) in [(r#"{"Owner":7}"#, 400), (r#"{"owner":"x"}"#, 400), ("x", 400)] {
        assert_eq!(issue(&world, body).await.status(), status, "{body}");
    }
    let long = format!(r#"{{"Owner":"{}"}}"#, "x".repeat(129));
    assert_eq!(issue(&world, &long).await.status(), 400);
    world.api.readmit(Auth::new(&HttpAuth::None).unwrap(), false).unwrap();
    let answer = issue(&world, "").await;
    assert_eq!((answer.status(), &answer.json()["Code"]), (409, &"ERROR".into()), "another method");
    let closed = World::with(FakeNode::default(), Settings { operator_token_file: None, ..settings });
    assert_eq!(issue(&closed, "").await.status(), 403);
}

#[tokio::test]
async fn who_holds_a_token_acts_and_everybody_reads() {
    let tokens = FakeTokens::default();
    tokens.add("abc1", NOW - Duration::from_secs(86_400), false);
    tokens.add("abc2", NOW - Duration::from_secs(86_401), false);
    let world = token_world(tokens);
    let act = async |cookie: &str| {
        let answer = ask(&world, &format!("/orc{ACT}"), &[("cookie", cookie)]).await;
        (answer.status(), world.node.asked())
    };
    assert_eq!(act("a=b; access-token=abc1:5ec7e7").await, (200, vec!["ack All by orc-0: x".to_owned()]));
    for wrong in [
        "",
        "access-token=abc1",
        "access-token=abc1:",
        "access-token=abc1:5ec7e8",
        "access-token=abc2:5ec7e7",
    ] {
        assert_eq!(act(wrong).await, (500, Vec::new()), "{wrong}");
    }
    assert_eq!(world.get("/orc/api/clusters").await.status(), 200);
}

#[tokio::test]
async fn without_its_tokens_nobody_acts_and_no_server_starts() {
    let gone = token_world(FakeTokens { is_gone: true, ..FakeTokens::default() });
    let answer = ask(&gone, &format!("/orc{ACT}"), &[("cookie", "access-token=abc1:5ec7e7")]).await;
    assert_eq!(answer.json()["Message"], "Unauthorized");
    let nowhere = World::with(FakeNode::default(), settings(&token_method()));
    may_not_act(&nowhere, &[("cookie", "access-token=abc1:5ec7e7")]).await;
    let refused = Server::bind(nowhere.api).await.map(drop).unwrap_err();
    assert!(matches!(refused, BindError::Auth(InvalidAuth::NoTokens)), "{refused}");
}

#[tokio::test]
async fn the_page_of_tokens_is_there_for_that_method_alone() {
    assert_eq!(world(&HttpAuth::None).get("/web/access-token?publicToken=abc1").await.status(), 404);
}

#[tokio::test]
async fn other_rules_hold_from_the_next_request_on() {
    let world = world(&HttpAuth::None);
    acts(&world, &[], "orc-0").await;
    world.api.readmit(Auth::new(&multi()).unwrap(), false).unwrap();
    assert_eq!(world.get("/api/clusters").await.status(), 401);
    acts(&world, &[DBA], "dba").await;
    world.api.readmit(Auth::new(&multi()).unwrap(), true).unwrap();
    may_not_act(&world, &[DBA]).await;
    let incomplete = world.api.readmit(Auth::new(&token_method()).unwrap(), false);
    assert_eq!(incomplete, Err(InvalidAuth::NoTokens));
    assert_eq!(world.get("/api/clusters").await.status(), 401, "the former rules hold");
}
