//! The members of an object in stored text, without parsing their values.

/// The members of an object as texts, without parsing the values; names are without quotes and still
/// escaped. For text that [`write_object`](super::write_object) wrote; `None` where the text is anything else.
pub(crate) fn raw_members(object: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let mut rest = object.strip_prefix('{');
    std::iter::from_fn(move || {
        let text = rest?;
        if text.starts_with('}') {
            return None;
        }
        let member = raw_member(text);
        rest = member.map(|(_, _, rest)| rest);
        Some(member.map(|(name, value, _)| (name, value)))
    })
}

/// The name, the value, and the rest after the comma, or from the closing brace.
fn raw_member(text: &str) -> Option<(&str, &str, &str)> {
    let name_end = end_of_string(text)?;
    let value = text[name_end..].strip_prefix(':')?;
    let (value, rest) = value.split_at(end_of_value(value)?);
    let rest = rest
        .strip_prefix(',')
        .or_else(|| rest.starts_with('}').then_some(rest))?;
    Some((&text[1..name_end - 1], value, rest))
}

fn end_of_string(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    bytes.next().filter(|(_, byte)| *byte == b'"')?;
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some(at + 1),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    None
}

fn end_of_value(text: &str) -> Option<usize> {
    match text.bytes().next()? {
        b'"' => end_of_string(text),
        b'{' | b'[' => {
            let (mut at, mut depth) = (0, 0);
            loop {
                match text.as_bytes().get(at)? {
                    b'"' => {
                        at += end_of_string(&text[at..])?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => text.find([',', '}']),
    }
}
