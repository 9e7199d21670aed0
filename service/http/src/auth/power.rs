//! Users that a proxy in front names in a header, and which of them may change things.
//!
//! The header is believed, from whoever can open a connection: only the proxy and the other nodes may reach
//! the port (a firewall, `ListenSocket`, or `UseMutualTLS` with a unit that only they have).

use http::{HeaderMap, HeaderName};

use super::groups;

/// Everybody, also without a name.
const ANYBODY: &str = "*";
/// Longest name that counts as one; it goes into the audit.
const USER_MAX_BYTES: usize = 256;

/// Who may change things, by the name in a header.
pub struct PowerUsers {
    header: HeaderName,
    users: Vec<String>,
    groups: Vec<String>,
}

impl PowerUsers {
    pub(crate) fn new(header: HeaderName, users: &[String], groups: &[String]) -> Self {
        Self { header, users: users.to_vec(), groups: groups.to_vec() }
    }

    pub(crate) fn header(&self) -> &HeaderName {
        &self.header
    }

    /// The user that the proxy named; empty = none. Of two names one was not written by the proxy, and
    /// nobody can tell which: that is no name.
    pub(crate) fn user<'h>(&self, headers: &'h HeaderMap) -> &'h str {
        let mut values = headers.get_all(&self.header).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return "" };
        let name = std::str::from_utf8(value.as_bytes()).unwrap_or_default().trim();
        if name.len() <= USER_MAX_BYTES { name } else { "" }
    }

    pub(crate) async fn allow(&self, user: &str) -> bool {
        let is_named = |name: &String| name == ANYBODY || (!user.is_empty() && name == user);
        self.users.iter().any(is_named) || groups::any_has(&self.groups, user).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(users: &[&str]) -> PowerUsers {
        let users: Vec<String> = users.iter().map(|&user| user.into()).collect();
        PowerUsers::new(HeaderName::from_static("x-forwarded-user"), &users, &[])
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let name = HeaderName::from_static("x-forwarded-user");
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn one_header_is_a_name_and_two_are_none() {
        let power = power(&[]);
        assert_eq!(power.user(&headers(&["ann"])), "ann");
        assert_eq!(power.user(&headers(&[" ann "])), "ann");
        assert_eq!(power.user(&headers(&[])), "");
        assert_eq!(power.user(&headers(&["ann", "root"])), "");
        assert_eq!(power.user(&headers(&[&"x".repeat(257)])), "");
    }

    #[tokio::test]
    async fn a_star_is_anybody_and_a_name_is_to_the_letter() {
        assert!(power(&["*"]).allow("").await);
        assert!(power(&["ann", "bob"]).allow("bob").await);
        for (users, user) in
            [(&["ann"][..], "Ann"), (&["ann"], "an"), (&["ann"], ""), (&[""], ""), (&[], "ann")]
        {
            assert!(!power(users).allow(user).await, "{users:?} {user:?}");
        }
    }
}
