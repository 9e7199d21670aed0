//! The web UI: one document for all its pages, assets that never change, and the way to the first page.
//!
//! Every node serves all of this from its own binary, whoever leads: a page that opens can say that nobody does.
//! Data come from the API. Sources and build are in `service/web`.

mod assets;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use orchestrator_wire::json;
use serde::Serialize;

use crate::{app::App, reply};

/// Nothing from elsewhere, nothing inline, no text that becomes markup. With the sources of the page, which is
/// tested under it.
const POLICY: &str = include_str!("../../../web/dist/policy.txt").trim_ascii();

/// The document, with `{{assets}}`, `{{web}}` and `{{boot}}` to fill in.
const DOCUMENT: &str = include_str!("../../../web/dist/index.html");

/// Addresses below `/web/` that the document answers; a colon takes one segment of any text.
const PAGES: [&str; 4] =
    ["clusters", "cluster/:hint", "cluster/alias/:alias", "cluster/instance/:host/:port"];

/// What there is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// The first page is elsewhere.
    Moved(From),
    /// The document of all pages, `depth` folders below `/web/`.
    Document {
        /// Slashes behind `/web/`.
        depth: usize,
    },
    /// An asset of this build, by its place in the list.
    Asset(usize),
}

/// From where people are sent on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// `/`, although there is a prefix: who asks for it has no other idea.
    Outside,
    /// The prefix without a slash.
    Prefix,
    /// The prefix with its slash.
    Top,
    /// `/web/`.
    Web,
}

impl Resource {
    /// What a decoded path names. `prefix` begins with a slash or is empty.
    pub(crate) fn of(path: &str, prefix: &str) -> Option<Self> {
        let Some(below) = path.strip_prefix(prefix) else {
            return (path == "/").then_some(Self::Moved(From::Outside));
        };
        match below {
            "" => Some(Self::Moved(From::Prefix)),
            "/" => Some(Self::Moved(From::Top)),
            "/web/" => Some(Self::Moved(From::Web)),
            _ => {
                let page = below.strip_prefix("/web/")?;
                match page.strip_prefix("assets/") {
                    Some(asset) => assets::find(asset).map(Self::Asset),
                    None => is_page(page).then(|| Self::Document { depth: page.matches('/').count() }),
                }
            }
        }
    }

    pub(crate) fn answer(self, app: &App) -> Response<Bytes> {
        match self {
            Self::Moved(from) => moved(&from.location(&app.settings.prefix())),
            Self::Document { depth } => document(app, depth),
            Self::Asset(index) => asset(&assets::ASSETS[index]),
        }
    }
}

impl From {
    /// Relative, so that it also holds behind a proxy that serves us below a folder of its own.
    fn location(self, prefix: &str) -> String {
        match self {
            Self::Outside => format!("{}/web/clusters", prefix.trim_start_matches('/')),
            Self::Prefix => format!("{}/", prefix.rsplit('/').next().unwrap_or_default()),
            Self::Top => "web/clusters".into(),
            Self::Web => "clusters".into(),
        }
    }
}

fn is_page(path: &str) -> bool {
    let given: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').collect();
    PAGES.iter().any(|page| {
        let wanted: Vec<&str> = page.split('/').collect();
        let is_same = |(wanted, given): (&&str, &&str)| match wanted.starts_with(':') {
            true => !given.is_empty(),
            false => wanted == given,
        };
        wanted.len() == given.len() && wanted.iter().zip(&given).all(is_same)
    })
}

/// What the page is told at its start, besides what it asks for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Boot<'a> {
    /// Host name of the node that served the page.
    node: &'a str,
    /// Version of the program.
    version: &'a str,
    /// Name of the assets' folder: differs between builds.
    build: &'a str,
}

fn document(app: &App, depth: usize) -> Response<Bytes> {
    let build = assets::build();
    let boot = Boot { node: &app.settings.identity.hostname, version: env!("CARGO_PKG_VERSION"), build };
    // Writes `<` as an escape, so that no name can end the element it stands in.
    let Ok(boot) = json::to_vec(&boot) else {
        return reply::text(StatusCode::INTERNAL_SERVER_ERROR, "no page\n");
    };
    let web = "../".repeat(depth);
    let body = DOCUMENT
        .replace("{{assets}}", &format!("{web}assets/{build}/"))
        .replace("{{web}}", &web)
        .replace("{{boot}}", &String::from_utf8_lossy(&boot));
    let mut response = reply::respond(StatusCode::OK, "text/html; charset=UTF-8", body.into());
    // The page is small and names the assets of the moment; those are kept for ever.
    protect(response.headers_mut(), "no-cache");
    response
}

fn asset(asset: &assets::Asset) -> Response<Bytes> {
    let mut response = reply::respond(StatusCode::OK, asset.content_type, Bytes::from_static(asset.body));
    protect(response.headers_mut(), "public, max-age=31536000, immutable");
    response
}

fn moved(location: &str) -> Response<Bytes> {
    let mut response = reply::text(StatusCode::FOUND, "");
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn protect(headers: &mut HeaderMap, cache: &'static str) {
    for (name, value) in [
        (CACHE_CONTROL, cache),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (VARY, "Accept-Encoding"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str, prefix: &str) -> Option<Resource> {
        Resource::of(path, prefix)
    }

    #[test]
    fn all_ways_lead_to_the_first_page() {
        for (path, prefix, from, location) in [
            ("/", "", From::Top, "web/clusters"),
            ("/web/", "", From::Web, "clusters"),
            ("/", "/orc", From::Outside, "orc/web/clusters"),
            ("/orc", "/orc", From::Prefix, "orc/"),
            ("/a/orc", "/a/orc", From::Prefix, "orc/"),
            ("/orc/", "/orc", From::Top, "web/clusters"),
            ("/orc/web/", "/orc", From::Web, "clusters"),
        ] {
            assert_eq!(at(path, prefix), Some(Resource::Moved(from)), "{path} {prefix}");
            assert_eq!(from.location(prefix), location, "{path} {prefix}");
        }
    }

    #[test]
    fn a_page_knows_how_deep_it_is() {
        for (page, depth) in [
            ("clusters", 0),
            ("clusters/", 1),
            ("cluster/db1:3306", 1),
            ("cluster/alias/prod", 2),
            ("cluster/instance/db1/3306", 3),
            ("cluster/instance/db1/3306/", 4),
        ] {
            let found = at(&format!("/orc/web/{page}"), "/orc");
            assert_eq!(found, Some(Resource::Document { depth }), "{page}");
        }
    }

    #[test]
    fn what_is_no_page_is_nothing() {
        for path in [
            "/web",
            "/web/clusterss",
            "/web/cluster",
            "/web/cluster/",
            "/web/cluster/a/b",
            "/web/cluster/alias/a/b",
            "/web/cluster/instance/db1",
            "/web/cluster/instance//3306",
            "/web/clusters//",
            "/web/assets/",
            "/web/assets/app.js",
            "/web/../api",
            "/webs/clusters",
        ] {
            assert_eq!(at(path, ""), None, "{path}");
        }
        for path in ["/web/clusters", "/web/", "/orcs/", "/orcs/web/clusters", "/orc/web"] {
            assert_eq!(at(path, "/orc"), None, "{path}");
        }
    }
}
