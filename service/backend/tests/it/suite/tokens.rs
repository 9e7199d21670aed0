use orchestrator_backend::{AccessTokenRow, Backend};

use super::Make;
use crate::support::after;

/// A token that was issued so many seconds after the beginning.
pub(crate) fn token(public: &str, issued: i64) -> AccessTokenRow {
    AccessTokenRow {
        public: public.into(),
        secret: "digest of nothing".into(),
        generated_at: after(issued),
        generated_by: "J\u{fc}rgen".into(),
        is_acquired: false,
        is_reentrant: false,
    }
}

fn issue(backend: &mut dyn Backend, token: &AccessTokenRow) {
    backend.issue_access_token(token, after(-600)).unwrap();
}

pub(crate) fn a_token_is_redeemed_once_and_in_time(make: Make) {
    let mut backend = make();
    issue(&mut *backend, &token("p1", 0));
    issue(&mut *backend, &token("p2", 0));
    assert_eq!(backend.access_token("p1").unwrap().unwrap(), token("p1", 0));
    assert!(backend.redeem_access_token("p1", "s1", after(0), after(60)).unwrap());
    let redeemed = AccessTokenRow { secret: "s1".into(), is_acquired: true, ..token("p1", 0) };
    assert_eq!(backend.access_token("p1").unwrap().unwrap(), redeemed);
    assert!(!backend.redeem_access_token("p1", "s2", after(0), after(60)).unwrap(), "once");
    assert!(!backend.redeem_access_token("p2", "s2", after(1), after(61)).unwrap(), "too late");
    assert!(!backend.redeem_access_token("P2", "s2", after(0), after(1)).unwrap(), "to the letter");
    assert_eq!(backend.access_token("p1").unwrap().unwrap(), redeemed);
    assert_eq!(backend.access_token("p2").unwrap().unwrap(), token("p2", 0));
    assert_eq!(backend.access_token("p3").unwrap(), None);
}

pub(crate) fn a_token_that_never_grows_old_is_redeemed_again(make: Make) {
    let mut backend = make();
    issue(&mut *backend, &AccessTokenRow { is_reentrant: true, ..token("p1", 0) });
    for secret in ["s1", "s2"] {
        assert!(backend.redeem_access_token("p1", secret, after(500), after(500)).unwrap());
        assert_eq!(backend.access_token("p1").unwrap().unwrap().secret, secret);
    }
}

pub(crate) fn old_tokens_go_when_a_new_one_is_issued(make: Make) {
    let mut backend = make();
    issue(&mut *backend, &token("old", 0));
    issue(&mut *backend, &AccessTokenRow { is_reentrant: true, ..token("for ever", 0) });
    issue(&mut *backend, &token("young", 1));
    backend.issue_access_token(&token("new", 100), after(1)).unwrap();
    let mut is_there = |public| backend.access_token(public).unwrap().is_some();
    assert!(!is_there("old") && is_there("for ever") && is_there("young") && is_there("new"));
}
