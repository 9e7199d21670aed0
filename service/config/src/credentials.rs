//! Credentials that are not in the file itself: a `.cnf` file, an environment variable, a file.
//!
//! The `.cnf` syntax is git-config's: section `[client]`, variables `user` and `password`, comments
//! from `#` or `;`, values with special characters in double quotes with `\` escapes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::problem::{Place, Report};
use crate::secret::Secret;
use crate::value::Field;

/// What lies outside of the configuration files: given by the caller, so that tests need no machine.
#[derive(Clone, Copy)]
pub struct Outside<'a> {
    /// An environment variable; `None` if it is not set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The content of a credentials file.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
}

/// A user name or a password: a text that may point outside.
pub(crate) trait Credential {
    fn get(&self) -> &str;
    fn replace(&mut self, text: String);
}

impl Credential for String {
    fn get(&self) -> &str {
        self
    }

    fn replace(&mut self, text: String) {
        *self = text;
    }
}

impl Credential for Secret<String> {
    fn get(&self) -> &str {
        self.reveal()
    }

    fn replace(&mut self, text: String) {
        *self = Secret::new(text);
    }
}

/// Replaces `${NAME}` by the environment variable and `file:/path` by the content of the file.
///
/// As with the original the reference stands for the *whole* value, whatever surrounds it.
/// Unlike there, a variable that is not set is an error instead of an empty password.
pub(crate) fn resolve<T: Credential>(field: &mut Field<T>, outside: &Outside<'_>, report: &mut Report) {
    let text = field.value.get();
    let replacement = match (variable_name(text), text.strip_prefix("file:/")) {
        (Some(name), _) => {
            if is_variable_name(name) {
                warn_about_surroundings(field, name, report);
            }
            (outside.variable)(name).ok_or_else(|| unset(name))
        }
        (None, Some(path)) => read_line(&Path::new("/").join(path), outside),
        (None, None) => return,
    };
    match replacement {
        Ok(text) => field.value.replace(text),
        Err(text) => report.error(field.place.as_ref(), field.name, text),
    }
}

/// The text between the first `${` and the last `}` after it, as the original matches it.
fn variable_name(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("${")?;
    Some(rest.rsplit_once('}')?.0)
}

/// What is no name of a variable may be a part of a password, and is not repeated.
fn unset(name: &str) -> String {
    match is_variable_name(name) {
        true => {
            format!("the environment variable {name} is not set; set it, or write ${{NAME}} of another one")
        }
        false => "write one ${NAME} only, with the name of an environment variable".to_owned(),
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn warn_about_surroundings<T: Credential>(field: &Field<T>, name: &str, report: &mut Report) {
    // `${` and `}` around the name.
    if field.value.get().len() != name.len() + 3 {
        report.warn(
            field.place.as_ref(),
            field.name,
            format!("the value of ${{{name}}} replaces the whole text, also what stands around it"),
        );
    }
}

/// The content of `path` without the line end that editors add.
fn read_line(path: &Path, outside: &Outside<'_>) -> Result<String, String> {
    let content = (outside.read)(path).map_err(|error| unreadable(path, &error))?;
    let line = content.strip_suffix('\n').unwrap_or(&content);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read {}: {error}; name a file that this user may read", path.display())
}

/// Takes user and password from the `.cnf` file that `path` names, if it names one.
pub(crate) fn read_file(
    path: &Field<String>,
    user: &mut Field<String>,
    password: &mut Field<Secret<String>>,
    outside: &Outside<'_>,
    report: &mut Report,
) {
    if path.is_empty() {
        return;
    }
    let file = PathBuf::from(path.as_str());
    let text = match (outside.read)(&file) {
        Ok(text) => text,
        Err(error) => return report.error(path.place.as_ref(), path.name, unreadable(&file, &error)),
    };
    let parser = Parser { file: Arc::from(file), key: path.name, report };
    for (name, value, place) in parser.parse(&text) {
        match name {
            Variable::User => (user.value, user.place) = (value, Some(place)),
            Variable::Password => (password.value, password.place) = (Secret::new(value), Some(place)),
        }
    }
}

enum Variable {
    User,
    Password,
}

struct Parser<'r> {
    file: Arc<Path>,
    key: &'static str,
    report: &'r mut Report,
}

impl Parser<'_> {
    fn parse(self, text: &str) -> Vec<(Variable, String, Place)> {
        let mut section = None;
        let mut found = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            let place = Place { file: self.file.clone(), line: index + 1, column: 1 };
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.split(']').next().unwrap_or_default().trim().to_ascii_lowercase();
                if name != "client" {
                    self.report.warn(
                        Some(&place),
                        self.key,
                        format!("section [{name}] is ignored; [client] is read"),
                    );
                }
                section = Some(name);
                continue;
            }
            match assignment(line, section.as_deref()) {
                Ok(Some((variable, value))) => found.push((variable, value, place)),
                Ok(None) if section.as_deref() == Some("client") => {
                    let name = line.split('=').next().unwrap_or_default().trim();
                    self.report.warn(
                        Some(&place),
                        self.key,
                        format!("{name} is ignored; user and password are read"),
                    );
                }
                Ok(None) => {}
                Err(text) => self.report.error(Some(&place), self.key, text),
            }
        }
        found
    }
}

/// One `name = value` line; `None` for those that are of no interest here.
fn assignment(line: &str, section: Option<&str>) -> Result<Option<(Variable, String)>, &'static str> {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    match section {
        None => return Err("write [client] above the first variable"),
        Some("client") => {}
        Some(_) => return Ok(None),
    }
    let variable = match name.trim().to_ascii_lowercase().as_str() {
        "user" => Variable::User,
        "password" => Variable::Password,
        _ => return Ok(None),
    };
    Ok(Some((variable, unquote(value.trim())?)))
}

/// The value of a line: quotes removed, escapes resolved, the comment and blanks before it cut.
fn unquote(text: &str) -> Result<String, &'static str> {
    let mut value = String::new();
    // What lies behind it may be blanks before a comment.
    let mut kept = 0;
    let mut quoted = false;
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match (char, quoted) {
            ('#' | ';', false) => break,
            ('"', _) => quoted = !quoted,
            ('\\', true) => value.push(escaped(chars.next())?),
            ('\\', false) => {
                return Err("put a value with a backslash in double quotes, and write it twice: \\\\");
            }
            (char, _) => value.push(char),
        }
        if quoted || !char.is_whitespace() {
            kept = value.len();
        }
    }
    if quoted {
        return Err("close the double quote on the same line");
    }
    value.truncate(kept);
    Ok(value)
}

fn escaped(char: Option<char>) -> Result<char, &'static str> {
    match char {
        Some('n') => Ok('\n'),
        Some('t') => Ok('\t'),
        Some(char @ ('"' | '\\')) => Ok(char),
        _ => Err("after a backslash write one of: \\ \" n t"),
    }
}
