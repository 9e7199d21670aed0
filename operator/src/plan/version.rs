//! Versions of the service, as far as a downgrade can be seen by them.

/// `1.2.3` as numbers; `None` for anything else. What follows a `-` or `+` does not count.
pub(super) fn parse(text: &str) -> Option<(u64, u64, u64)> {
    let numbers = text.split(['-', '+']).next()?;
    let mut numbers = numbers.split('.').map(str::parse::<u64>);
    let mut next = || numbers.next()?.ok();
    let version = (next()?, next()?, next()?);
    numbers.next().is_none().then_some(version)
}

/// The version that the tag of an image names, without a leading `v`; `None` when it names none.
pub(super) fn of_image(image: &str) -> Option<String> {
    let image = image.split('@').next()?;
    let (_, tag) = image.rsplit('/').next()?.rsplit_once(':')?;
    let version = tag.strip_prefix('v').unwrap_or(tag);
    parse(version).map(|_| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_numbers_are_a_version() {
        assert_eq!(parse("1.22.3"), Some((1, 22, 3)));
        assert_eq!(parse("1.2.3-rc.1+5"), Some((1, 2, 3)));
        for text in ["", "1.2", "1.2.3.4", "latest", "1.x.3"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_tag_may_name_a_version() {
        assert_eq!(of_image("registry:5000/orchestrator:v0.2.1").as_deref(), Some("0.2.1"));
        assert_eq!(of_image("orchestrator:0.2.1@sha256:abc").as_deref(), Some("0.2.1"));
        for image in
            ["orchestrator", "registry:5000/orchestrator", "orchestrator:latest", "orchestrator@sha256:abc"]
        {
            assert_eq!(of_image(image), None, "{image}");
        }
    }
}
