//! Path templates of the command table, and their filling.
//!
//! `{argument}` is a value the command needs, `[…]` a part that is there only if its argument was given on the
//! command line. Whatever is filled in is percent-encoded, so that no value can leave its segment.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::failure::Failure;
use crate::options::Variable;
use crate::settings::Settings;

/// What RFC 3986 calls unreserved stays, and `:` for the sake of whoever reads access logs.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// For a path that the user wrote whole: only what no URL may contain. A fragment never leaves a client.
const WHOLE_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'#');

/// Something a command can need.
struct Argument {
    /// Its name in templates.
    name: &'static str,
    /// Its name in messages.
    label: &'static str,
    form: Form,
    /// The options that supply it; the first that is not empty does.
    sources: &'static [Variable],
}

#[derive(Clone, Copy)]
enum Form {
    /// Two segments, `host/port`.
    Instance,
    /// One segment, or the value of a query parameter.
    Segment,
    /// A path with its query, as the user wrote it.
    Path,
}

macro_rules! arguments {
    ($( $name:literal $label:literal $form:ident $($source:ident)|+; )*) => {
        &[ $( Argument { name: $name, label: $label, form: Form::$form, sources: &[$(Variable::$source),+] } ),* ]
    };
}

/// In the order in which missing values are reported.
const ARGUMENTS: &[Argument] = arguments! {
    "instance"       "instance"       Instance Instance;
    "instances"      "instance"       Segment  Instance;
    "hint"           "instance|alias" Segment  Alias | Instance;
    "alias"          "alias"          Segment  Alias;
    "destination"    "destination"    Instance Destination;
    "owner"          "owner"          Segment  Owner;
    "reason"         "reason"         Segment  Reason;
    "duration"       "duration"       Segment  Duration;
    "promotion-rule" "promotion-rule" Segment  PromotionRule;
    "tag"            "tag"            Segment  Tag;
    "pool"           "pool"           Segment  Pool;
    "hostname"       "hostname"       Segment  Hostname;
    "query"          "query"          Segment  Query;
    "binlog"         "binlog"         Segment  Binlog;
    "seconds"        "seconds"        Segment  Seconds;
    "path"           "path"           Path     Path;
};

impl Argument {
    fn named(name: &str) -> &'static Self {
        let found = ARGUMENTS.iter().find(|argument| argument.name == name);
        found.expect("a test fills every template of the table")
    }

    fn is_given(&self, settings: &Settings) -> bool {
        self.sources.iter().any(|source| !settings.value(*source).is_empty())
    }

    /// The environment's default instance does not count: it would narrow a list that nobody asked to narrow.
    fn is_asked_for(&self, settings: &Settings) -> bool {
        self.sources.iter().any(|source| !settings.explicit(*source).is_empty())
    }

    fn text(&self, settings: &Settings) -> Result<String, Failure> {
        let source = self.sources.iter().find(|source| !settings.value(**source).is_empty());
        let source = *source.unwrap_or(&self.sources[0]);
        match self.form {
            Form::Segment => Ok(encode(settings.value(source))),
            Form::Path => Ok(utf8_percent_encode(settings.value(source), WHOLE_PATH).to_string()),
            Form::Instance => {
                let name = settings.instance(self.label, source)?;
                Ok(format!("{}/{}", encode(&name.host), encode(&name.port)))
            }
        }
    }
}

fn encode(value: &str) -> String {
    utf8_percent_encode(value, SEGMENT).to_string()
}

/// The path of a command below the API's root, without a leading slash, with its query.
///
/// # Errors
/// The first value that is needed and missing, or an instance that cannot be one.
pub(crate) fn fill(template: &str, settings: &Settings) -> Result<String, Failure> {
    let needed: Vec<&str> =
        parts(template).filter(|part| !part.optional).flat_map(|part| names(part.text)).collect();
    let missing =
        ARGUMENTS.iter().find(|argument| needed.contains(&argument.name) && !argument.is_given(settings));
    if let Some(argument) = missing {
        return Err(Failure::plain(format!("{} must be provided", argument.label)));
    }
    let wanted = parts(template).filter(|part| !part.optional || is_asked_for(part.text, settings));
    let path: String = wanted.map(|part| expand(part.text, settings)).collect::<Result<_, _>>()?;
    Ok(path.trim_start_matches('/').to_owned())
}

struct Part<'a> {
    text: &'a str,
    optional: bool,
}

/// Brackets do not nest, so every second piece stands inside one.
fn parts(template: &str) -> impl Iterator<Item = Part<'_>> {
    template.split(['[', ']']).enumerate().map(|(at, text)| Part { text, optional: at % 2 == 1 })
}

/// As with brackets, every second piece is the name of an argument.
fn names(part: &str) -> impl Iterator<Item = &str> {
    part.split(['{', '}']).skip(1).step_by(2)
}

fn is_asked_for(part: &str, settings: &Settings) -> bool {
    names(part).all(|name| Argument::named(name).is_asked_for(settings))
}

fn expand(part: &str, settings: &Settings) -> Result<String, Failure> {
    part.split(['{', '}'])
        .enumerate()
        .map(
            |(at, text)| if at % 2 == 1 { Argument::named(text).text(settings) } else { Ok(text.to_owned()) },
        )
        .collect()
}
