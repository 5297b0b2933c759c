//! What of a Rust file is code: its text without comments, strings and tests, and the words of it.
//!
//! A scanner of the lexical grammar, not a parser: it has to know where a comment, a string or a character begins
//! and ends, and nothing else.

/// The text with comments and the contents of strings and characters turned into spaces. Lines and positions stay.
pub fn without_text(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes[at..].starts_with(b"//") => line_end(bytes, at),
            b'/' if bytes[at..].starts_with(b"/*") => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'r' if !follows_word(bytes, at) || follows_byte_prefix(bytes, at) => match raw_string_end(bytes, at) {
                Some(end) => end,
                None => at + 1,
            },
            b'\'' => character_end(bytes, at),
            _ => at + 1,
        };
        if end > at + 1 {
            for byte in &mut code[at..end] {
                if *byte != b'\n' {
                    *byte = b' ';
                }
            }
        }
        at = end;
    }
    String::from_utf8(code).expect("only whole texts are blanked")
}

/// The same without the modules that are compiled for tests only. Takes what [`without_text`] gives.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        kept.push_str(&rest[..at]);
        rest = &rest[at + MARK.len()..];
        // What is marked ends with its block, or, when it has none, with its semicolon.
        let end = match rest.find(['{', ';']) {
            Some(brace) if rest.as_bytes()[brace] == b'{' => brace + block_length(&rest[brace..]),
            Some(semicolon) => semicolon + 1,
            None => rest.len(),
        };
        rest = &rest[end..];
    }
    kept.push_str(rest);
    kept
}

/// The identifiers and keywords of it.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

/// The length of the block that begins here with a brace, with both braces.
fn block_length(code: &str) -> usize {
    let mut depth = 0usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if bytes[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"..."` or `r#"..."#` with any number of marks; None when this `r` begins something else.
fn raw_string_end(bytes: &[u8], at: usize) -> Option<usize> {
    let marks = bytes[at + 1..].iter().take_while(|&&b| b == b'#').count();
    let open = at + 1 + marks;
    if bytes.get(open) != Some(&b'"') {
        return None;
    }
    let mut close = vec![b'#'; marks + 1];
    close[0] = b'"';
    let length = bytes[open + 1..].windows(close.len()).position(|window| window == close);
    Some(length.map_or(bytes.len(), |length| open + 1 + length + close.len()))
}

/// The end of a character; just behind the quote when it begins a lifetime or a label.
fn character_end(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => match bytes[(at + 3).min(bytes.len())..].iter().position(|&b| b == b'\'') {
            Some(length) => at + 3 + length + 1,
            None => at + 1,
        },
        Some(_) => {
            // A character may take several bytes; a lifetime has no quote behind its first letter.
            let rest = String::from_utf8_lossy(&bytes[at + 1..(at + 6).min(bytes.len())]).into_owned();
            let width = rest.chars().next().map_or(0, char::len_utf8);
            if bytes.get(at + 1 + width) == Some(&b'\'') { at + 2 + width } else { at + 1 }
        }
        None => at + 1,
    }
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// Is the letter before this `r` the prefix of a byte or C string, and nothing more?
fn follows_byte_prefix(bytes: &[u8], at: usize) -> bool {
    at > 0 && matches!(bytes[at - 1], b'b' | b'c') && !follows_word(bytes, at - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(source: &str) -> Vec<String> {
        words(&without_tests(&without_text(source))).map(str::to_owned).collect()
    }

    #[test]
    fn words_in_comments_and_strings_are_no_code() {
        let source = r##"
            // unsafe tokio
            /* unsafe /* nested */ tokio */
            let a = "unsafe \" tokio";
            let b = r#"unsafe " tokio"#;
            let c = br"unsafe";
            let d = b"tokio";
        "##;
        // The prefix of a byte string is a word; what stands in the string is none.
        assert_eq!(words_of(source).join(" "), "let a let b let c b let d b");
    }

    #[test]
    fn what_follows_a_comment_or_a_string_is_code() {
        assert_eq!(words_of("/* x */ unsafe { \"y\" } // z\nend"), ["unsafe", "end"]);
    }

    #[test]
    fn a_quote_character_does_not_open_a_string_and_a_lifetime_is_no_character() {
        assert_eq!(words_of(r#"let q = '"'; unsafe"#), ["let", "q", "unsafe"]);
        assert_eq!(words_of(r"let q = '\''; unsafe"), ["let", "q", "unsafe"]);
        assert_eq!(words_of("fn f<'a>(x: &'a str) { unsafe }"), ["fn", "f", "a", "x", "a", "str", "unsafe"]);
        assert_eq!(words_of("let q = 'é'; unsafe"), ["let", "q", "unsafe"]);
        assert_eq!(words_of(r"let q = '\u{1F600}'; unsafe"), ["let", "q", "unsafe"]);
    }

    #[test]
    fn lines_stay_where_they_are() {
        let source = "a\n/* b\nc */\n\"d\ne\"\nf";
        assert_eq!(without_text(source).lines().count(), source.lines().count());
        assert_eq!(without_text(source).len(), source.len());
    }

    #[test]
    fn tests_are_left_out_and_what_stands_behind_them_is_not() {
        let source = "use a::B;\n#[cfg(test)]\nmod tests { fn f() { if x { unsafe } } }\nfn after() {}";
        assert_eq!(words_of(source), ["use", "a", "B", "fn", "after"]);
        assert_eq!(words_of("#[cfg(test)]\nmod tests;\nfn after() {}"), ["fn", "after"]);
    }

    #[test]
    fn an_unfinished_text_ends_with_the_file() {
        for source in ["\"open", "/* open", "r#\"open", "'", "'\\", "b'"] {
            assert_eq!(without_text(source).len(), source.len(), "{source}");
        }
    }
}
