//! Filters of the file, compiled: which instances, which clusters.
//!
//! A pattern that does not compile matches nothing, as with the original; unlike there it is warned about.

use regex::Regex;

/// A list of plain patterns, unanchored; it matches when one of them does.
#[derive(Debug, Clone, Default)]
pub struct Patterns(Vec<Regex>);

impl Patterns {
    /// Whether any pattern is found in `text`; never for an empty list.
    pub fn matches(&self, text: &str) -> bool {
        self.0.iter().any(|pattern| pattern.is_match(text))
    }

    /// Whether the list says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One entry on instances: an IP address is the exact host, anything else a pattern on `host:port`.
#[derive(Debug, Clone)]
enum InstanceRule {
    Host(String),
    Pattern(Regex),
}

/// A list of entries on instances; it matches when one of them does.
#[derive(Debug, Clone, Default)]
pub struct InstanceFilter(Vec<InstanceRule>);

impl InstanceFilter {
    /// Whether the instance `host:port` is meant; never for an empty list.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let name = format!("{host}:{port}");
        self.0.iter().any(|rule| match rule {
            InstanceRule::Host(exact) => exact == host,
            InstanceRule::Pattern(pattern) => pattern.is_match(&name),
        })
    }

    /// Whether the list says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One entry on clusters; each also matches the cluster whose name or alias it spells.
#[derive(Debug, Clone)]
struct ClusterRule {
    text: String,
    kind: ClusterRuleKind,
}

#[derive(Debug, Clone)]
enum ClusterRuleKind {
    /// Nothing beyond the spelled name.
    Exact,
    /// `*`
    Any,
    /// `alias=NAME`
    Alias(String),
    /// `alias~=REGEX`
    AliasPattern(Regex),
    /// A pattern on the cluster's name.
    NamePattern(Regex),
}

/// A list of entries on clusters; it matches when one of them does.
#[derive(Debug, Clone, Default)]
pub struct ClusterFilter(Vec<ClusterRule>);

impl ClusterFilter {
    /// Whether the cluster is meant; `name` is its primary's `host:port`, `alias` may be empty.
    pub fn matches(&self, name: &str, alias: &str) -> bool {
        self.0.iter().any(|rule| {
            rule.text == name
                || rule.text == alias
                || match &rule.kind {
                    ClusterRuleKind::Exact => false,
                    ClusterRuleKind::Any => true,
                    ClusterRuleKind::Alias(exact) => exact == alias,
                    ClusterRuleKind::AliasPattern(pattern) => pattern.is_match(alias),
                    ClusterRuleKind::NamePattern(pattern) => pattern.is_match(name),
                }
        })
    }

    /// Whether the list says nothing, so that no cluster is meant.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A pattern with one group, applied to a host name.
#[derive(Debug, Clone)]
pub struct HostPattern(Regex);

impl HostPattern {
    /// The text of the first group where the pattern is found in `host`.
    pub fn capture<'h>(&self, host: &'h str) -> Option<&'h str> {
        self.0.captures(host)?.get(1).map(|group| group.as_str())
    }
}

/// Aliases of clusters by a pattern on their name; the first that matches wins, in the file's order.
#[derive(Debug, Clone, Default)]
pub struct ClusterAliases(Vec<(Regex, String)>);

impl ClusterAliases {
    /// The alias of the cluster `name`, if an entry matches it.
    pub fn alias_of(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(pattern, _)| pattern.is_match(name)).map(|(_, alias)| alias.as_str())
    }
}

/// Compiles filters and hands on what is wrong with an entry; such an entry is left out.
pub(crate) struct Compiler<'c>(pub(crate) &'c mut dyn FnMut(String));

impl Compiler<'_> {
    fn regex(&mut self, text: &str) -> Option<Regex> {
        let compiled = Regex::new(text);
        compiled
            .inspect_err(|error| {
                // The last line says what is wrong; those above it draw the pattern.
                let reason = error.to_string();
                let reason =
                    reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                (self.0)(format!("the pattern {text:?} matches nothing: {reason}"));
            })
            .ok()
    }

    pub(crate) fn pattern(&mut self, text: &str) -> Option<Regex> {
        if text.is_empty() { None } else { self.regex(text) }
    }

    pub(crate) fn patterns(&mut self, entries: &[String]) -> Patterns {
        Patterns(entries.iter().filter_map(|entry| self.any_pattern(entry)).collect())
    }

    pub(crate) fn instances(&mut self, entries: &[String]) -> InstanceFilter {
        let rules = entries.iter().filter_map(|entry| match entry.parse::<std::net::IpAddr>() {
            Ok(_) => Some(InstanceRule::Host(entry.clone())),
            Err(_) => self.any_pattern(entry).map(InstanceRule::Pattern),
        });
        InstanceFilter(rules.collect())
    }

    /// An empty entry is a pattern that is found everywhere, and hardly ever meant.
    fn any_pattern(&mut self, entry: &str) -> Option<Regex> {
        if entry.is_empty() {
            (self.0)(
                "an empty entry matches everything; remove it, or write \".\" if that is meant".to_owned(),
            );
        }
        self.regex(entry)
    }

    pub(crate) fn clusters(&mut self, entries: &[String]) -> ClusterFilter {
        ClusterFilter(entries.iter().map(|entry| self.cluster(entry)).collect())
    }

    fn cluster(&mut self, entry: &str) -> ClusterRule {
        let kind = if let Some(alias) = entry.strip_prefix("alias=") {
            ClusterRuleKind::Alias(alias.to_owned())
        } else if let Some(pattern) = entry.strip_prefix("alias~=") {
            self.regex(pattern).map_or(ClusterRuleKind::Exact, ClusterRuleKind::AliasPattern)
        } else if entry == "*" {
            ClusterRuleKind::Any
        } else {
            self.pattern(entry).map_or(ClusterRuleKind::Exact, ClusterRuleKind::NamePattern)
        };
        ClusterRule { text: entry.to_owned(), kind }
    }

    pub(crate) fn host_pattern(&mut self, text: &str) -> Option<HostPattern> {
        let pattern = self.pattern(text)?;
        if pattern.captures_len() < 2 {
            (self.0)(format!("the pattern {text:?} is ignored: put what it shall find in one (group)"));
            return None;
        }
        Some(HostPattern(pattern))
    }

    pub(crate) fn aliases(&mut self, entries: &[(String, String)]) -> ClusterAliases {
        let compiled = entries.iter().filter_map(|(text, alias)| Some((self.regex(text)?, alias.clone())));
        ClusterAliases(compiled.collect())
    }
}
