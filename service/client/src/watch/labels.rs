//! Short names for the members of a group.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// IPv4 addresses that begin alike for so long are told apart by their ends: `.11` and `.12`.
const OCTETS_ALIKE_MIN: usize = 2;

/// The shortest names that tell `addresses` (`host:port`) apart, for use in texts: the end of an IPv4 address, the
/// first part of the host's name, its whole name, its port, or all of it.
pub(super) fn labels(addresses: &[String]) -> Vec<String> {
    ends(addresses).unwrap_or_else(|| names(addresses))
}

/// As [`labels`], with addresses whole: for above the columns.
pub(super) fn names(addresses: &[String]) -> Vec<String> {
    let forms: [fn(&str) -> String; 3] = [first_part, host, port];
    for form in forms {
        let labels: Vec<String> = addresses.iter().map(|address| form(address)).collect();
        let distinct: BTreeSet<&String> = labels.iter().collect();
        if distinct.len() == addresses.len() && !labels.iter().any(String::is_empty) {
            return labels;
        }
    }
    addresses.to_vec()
}

fn ends(addresses: &[String]) -> Option<Vec<String>> {
    let parse = |address: &String| host(address).parse::<Ipv4Addr>().ok().map(|it| it.octets());
    let octets: Vec<[u8; 4]> = addresses.iter().map(parse).collect::<Option<_>>()?;
    let distinct: BTreeSet<&[u8; 4]> = octets.iter().collect();
    let alike = (0..4).take_while(|at| octets.windows(2).all(|pair| pair[0][*at] == pair[1][*at])).count();
    if octets.len() < 2 || distinct.len() < octets.len() || alike < OCTETS_ALIKE_MIN {
        return None;
    }
    let end = |octets: &[u8; 4]| octets[alike..].iter().map(|octet| format!(".{octet}")).collect();
    Some(octets.iter().map(end).collect())
}

fn host(address: &str) -> String {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_matches(['[', ']']).to_owned()
}

fn first_part(address: &str) -> String {
    let host = host(address);
    if host.parse::<IpAddr>().is_ok() {
        return host;
    }
    host.split('.').next().unwrap_or_default().to_owned()
}

fn port(address: &str) -> String {
    address.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default()
}

/// `text` with every address replaced by its label.
pub(super) fn shortened(text: &str, addresses: &[String], labels: &[String]) -> String {
    let mut pairs: Vec<(&String, &String)> =
        addresses.iter().zip(labels).filter(|(address, _)| !address.is_empty()).collect();
    // One may begin with another: `o1:1000` and `o1:10008`.
    pairs.sort_by_key(|(address, _)| std::cmp::Reverse(address.len()));
    pairs.iter().fold(text.to_owned(), |text, (address, label)| text.replace(*address, label))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[&str], expected: &[&str]) {
        let addresses: Vec<String> = addresses.iter().map(|address| (*address).to_owned()).collect();
        assert_eq!(labels(&addresses), expected);
    }

    #[test]
    fn nodes_have_the_shortest_names_that_tell_them_apart() {
        check(&["orc-0.orc.ns:10008", "orc-1.orc.ns:10008"], &["orc-0", "orc-1"]);
        check(&["node1:10008", "node2:10008"], &["node1", "node2"]);
        check(&["orc.a.net:10008", "orc.b.net:10008"], &["orc.a.net", "orc.b.net"]);
        check(&["10.0.0.1:10008", "10.0.0.12:10008"], &[".1", ".12"]);
        check(&["10.0.1.1:10008", "10.0.2.1:10008"], &[".1.1", ".2.1"]);
        check(&["10.0.0.1:10008", "10.1.0.1:10008"], &["10.0.0.1", "10.1.0.1"]);
        check(&["10.0.0.1:10008"], &["10.0.0.1"]);
        check(&["127.0.0.1:10008", "127.0.0.1:10009"], &[":10008", ":10009"]);
        check(&["[::1]:10008", "[::2]:10008"], &["::1", "::2"]);
        check(&["a:1", "b:1", "a:2"], &["a:1", "b:1", "a:2"]);
    }

    #[test]
    fn texts_name_nodes_by_their_labels() {
        let addresses = ["o1:1000".to_owned(), "o1:10008".to_owned()];
        let labels = ["x".to_owned(), "y".to_owned()];
        assert_eq!(shortened("o1:10008 voted for o1:1000", &addresses, &labels), "y voted for x");
    }
}
