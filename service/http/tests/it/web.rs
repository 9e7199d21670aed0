//! The web UI as it is served: addresses, headers, assets, and that what is embedded was built from its sources.

use std::{
    collections::BTreeSet,
    io::Write,
    path::{Path, PathBuf},
};

use flate2::{Compression, write::GzEncoder};
use http::{Method, Request, StatusCode};
use orchestrator_config::{HttpAuth, Secret};
use orchestrator_http::{Auth, Settings};
use sha2::{Digest, Sha256};

use crate::fake::{Answered, FakeNode, World, follower_of, isolated};

const PAGES: [&str; 4] =
    ["clusters", "cluster/db1:3306", "cluster/alias/prod-a", "cluster/instance/db1/3306"];

fn below(prefix: &str) -> World {
    World::with(FakeNode::default(), Settings { url_prefix: prefix.into(), ..Settings::default() })
}

/// Where a browser goes that meets this link on the page at `path`.
fn resolve(path: &str, link: &str) -> String {
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    for step in link.split('/') {
        match step {
            "." => {}
            ".." => drop(folders.pop()),
            name => folders.push(name),
        }
    }
    folders.join("/")
}

/// The links of the document's assets, as they stand there.
fn links(page: &Answered) -> Vec<&str> {
    let parts = page.body.split('"').filter(|part| part.contains("assets/"));
    parts.collect()
}

fn boot(page: &Answered) -> serde_json::Value {
    let (_, rest) = page.body.split_once(r#"<script type="application/json" id="boot">"#).unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[tokio::test]
async fn all_ways_lead_to_the_first_page() {
    for (prefix, steps) in [
        ("", vec!["/", "/web/clusters"]),
        ("", vec!["/web/", "/web/clusters"]),
        ("/orc", vec!["/", "/orc/web/clusters"]),
        ("/orc", vec!["/orc", "/orc/", "/orc/web/clusters"]),
        ("/a/orc", vec!["/a/orc", "/a/orc/", "/a/orc/web/clusters"]),
        ("/orc", vec!["/orc/web/", "/orc/web/clusters"]),
    ] {
        let world = below(prefix);
        for step in steps.windows(2) {
            let answer = world.get(step[0]).await;
            assert_eq!(answer.status(), 302, "{}", step[0]);
            assert_eq!(resolve(step[0], answer.header("location")), step[1]);
        }
        assert_eq!(world.get(steps[steps.len() - 1]).await.status(), 200);
    }
}

#[tokio::test]
async fn every_page_finds_its_assets_at_any_depth_and_below_any_prefix() {
    for prefix in ["", "/orc", "/a/orc"] {
        let world = below(prefix);
        for page in PAGES {
            for slash in ["", "/", "/?x=1"] {
                let path = format!("{prefix}/web/{page}{slash}");
                let answer = world.get(&path).await;
                assert_eq!(answer.status(), 200, "{path}");
                let links = links(&answer);
                assert_eq!(links.len(), 3, "{}", answer.body);
                for link in links {
                    let link = resolve(path.split('?').next().unwrap(), link);
                    assert!(link.starts_with(&format!("{prefix}/web/assets/")), "{link}");
                    assert_eq!(world.get(&link).await.status(), 200, "{path} {link}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_document_is_asked_for_again_and_its_assets_are_kept() {
    let world = World::default();
    let page = world.get("/web/clusters").await;
    assert_eq!(page.header("content-type"), "text/html; charset=UTF-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    let types = ["image/svg+xml", "text/css; charset=UTF-8", "text/javascript; charset=UTF-8"];
    for (link, content_type) in links(&page).into_iter().zip(types) {
        let asset = world.get(&resolve("/web/clusters", link)).await;
        assert_eq!(asset.header("content-type"), content_type, "{link}");
        assert_eq!(asset.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(asset.header("vary"), "Accept-Encoding");
    }
}

#[tokio::test]
async fn nothing_of_a_page_comes_from_elsewhere_or_stands_inline() {
    let world = World::default();
    let page = world.get("/web/clusters").await;
    let paths: Vec<_> = links(&page).into_iter().map(|link| resolve("/web/clusters", link)).collect();
    for path in paths.iter().map(String::as_str).chain(["/web/clusters"]) {
        let answer = world.get(path).await;
        let policy = answer.header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.split(';').any(|found| found.trim() == rule), "{path}: {rule} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
    }
    // The one script without an address is data.
    assert_eq!(page.body.matches("<script").count(), 2);
    for inline in ["<style", "style=", "onload", "onclick", "javascript:", "http://", "https://"] {
        assert!(!page.body.contains(inline), "{inline}");
    }
    assert!(page.body.contains("<noscript>"));
}

#[tokio::test]
async fn a_page_says_which_node_served_it_and_no_name_breaks_out() {
    let world = World::default();
    assert_eq!(boot(&world.get("/web/clusters").await)["node"], "orc-0");
    let identity = orchestrator_http::Identity {
        hostname: "</script><script>alert(1)</script>".into(),
        ..orchestrator_http::Identity::default()
    };
    let odd = World::named(FakeNode::default(), identity);
    let page = odd.get("/web/clusters").await;
    assert_eq!(page.body.matches("<script").count(), 2, "{}", page.body);
    assert_eq!(boot(&page)["node"], "</script><script>alert(1)</script>");
}

#[tokio::test]
async fn every_node_serves_the_page_itself() {
    // Nobody listens there: what was forwarded would fail.
    for health in [follower_of("http://127.0.0.1:1"), isolated()] {
        let world = World::default().health(health);
        assert_eq!(world.get("/").await.status(), 302);
        let page = world.get("/web/clusters").await;
        assert_eq!(page.status(), 200);
        let script = resolve("/web/clusters", links(&page)[2]);
        assert_eq!(world.get(&script).await.status(), 200);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::default();
    let page = world.get("/web/clusters").await;
    let script = resolve("/web/clusters", links(&page)[2]);
    let build = script.trim_end_matches("app.js");
    for path in [
        "/web",
        "/web/nosuch",
        "/web/assets/",
        "/web/assets/app.js",
        "/web/assets/0000000000000000/app.js",
        "/web/assets/../clusters",
        build,
        &format!("{build}nosuch.js"),
        &format!("{build}index.html"),
        &format!("{build}MANIFEST"),
        &format!("{script}/"),
        &format!("{build}%2e%2e/app.js"),
    ] {
        world.get(path).await.is(StatusCode::NOT_FOUND, "404 page not found\n");
    }
    world.method(Method::POST, "/web/clusters").await.is(StatusCode::NOT_FOUND, "404 page not found\n");
    assert_eq!(world.method(Method::HEAD, "/web/clusters").await.status(), 200);
    let moved = below("/orc");
    for path in ["/web/clusters", "/web/", script.as_str()] {
        moved.get(path).await.is(StatusCode::NOT_FOUND, "404 page not found\n");
    }
}

#[tokio::test]
async fn pages_and_assets_are_compressed_for_who_asks() {
    let world = World::default();
    let page = world.get("/web/clusters").await;
    let script = resolve("/web/clusters", links(&page)[2]);
    for path in ["/web/clusters", &script] {
        let ask = Request::builder().uri(path).header("accept-encoding", "gzip").body(()).unwrap();
        let answer = world.request(ask).await;
        assert_eq!(answer.header("content-encoding"), "gzip", "{path}");
        assert_eq!(answer.header("vary"), "Accept-Encoding", "{path}");
    }
}

#[tokio::test]
async fn a_page_is_for_whoever_is_let_in() {
    let account = HttpAuth::Basic { user: "dba".into(), password: Secret::new("secret".into()) };
    let settings = Settings { auth: Auth::new(&account).unwrap(), ..Settings::default() };
    let world = World::with(FakeNode::default(), settings);
    for path in ["/", "/web/clusters"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), 401, "{path}");
        assert!(answer.header("www-authenticate").starts_with("Basic"), "{path}");
    }
}

/// `service/web`.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../web")
}

fn files_below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.insert(path);
        }
    }
}

/// Without Node: the manifest was written with what was built, and has the hash of every source.
#[test]
fn what_is_embedded_was_built_from_the_sources_beside_it() {
    let manifest = std::fs::read_to_string(sources().join("dist/MANIFEST")).unwrap();
    let mut listed = BTreeSet::new();
    for line in manifest.lines() {
        let (hash, name) = line.split_once("  ").unwrap();
        let body = std::fs::read(sources().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let found: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            found, hash,
            "service/web/{name} changed: `npm run build` in service/web, then commit dist/"
        );
        listed.insert(sources().join(name));
    }
    let mut there = BTreeSet::new();
    files_below(&sources().join("src"), &mut there);
    files_below(&sources().join("dist"), &mut there);
    let missing: Vec<_> = there.difference(&listed).filter(|path| !path.ends_with("MANIFEST")).collect();
    assert!(missing.is_empty(), "not built, or not of this build: {missing:?}");
}

/// A page over a slow line is read within a second, and the binary stays small.
#[test]
fn what_is_embedded_is_small() {
    const SCRIPT_MAX_BYTES: usize = 60 * 1024;
    const ALL_MAX_BYTES: u64 = 200 * 1024;
    let script = std::fs::read(sources().join("dist/app.js")).unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&script).unwrap();
    let sent = encoder.finish().unwrap().len();
    let mut built = BTreeSet::new();
    files_below(&sources().join("dist"), &mut built);
    let all: u64 = built.iter().map(|path| path.metadata().unwrap().len()).sum();
    assert!(sent <= SCRIPT_MAX_BYTES && all <= ALL_MAX_BYTES, "script {sent}, all {all} bytes");
}

#[tokio::test]
async fn everything_that_was_built_is_embedded() {
    let world = World::default();
    let page = world.get("/web/clusters").await;
    let script = resolve("/web/clusters", links(&page)[2]);
    let build = script.trim_end_matches("app.js");
    let mut built = BTreeSet::new();
    files_below(&sources().join("dist"), &mut built);
    let names = built.iter().filter_map(|path| path.file_name()?.to_str());
    for name in names.filter(|name| !matches!(*name, "MANIFEST" | "index.html" | "policy.txt")) {
        let answer = world.get(&format!("{build}{name}")).await;
        assert_eq!(answer.status(), 200, "{name} is not in the list of assets");
        assert_eq!(answer.body, std::fs::read_to_string(sources().join("dist").join(name)).unwrap());
    }
}
