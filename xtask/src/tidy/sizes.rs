//! Checks that no file and no function is too long to read.

use syn::visit::{self, Visit};

use super::source::Source;

/// Inline tests count: a file that outgrows this with its tests has more than one topic.
const FILE_LINES: usize = 500;

/// Counted from `fn` to the closing brace, without documentation and attributes.
const FUNCTION_LINES: usize = 80;

/// A comment above a function that starts like this says that the function is a table and may be long.
const TABLE_MARK: &str = "// Table:";

/// Returns a finding for each file and each function that is too long.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut findings = Vec::new();
    if lines.len() > FILE_LINES {
        findings.push(format!(
            "`{}` has {} lines, and {FILE_LINES} is the limit: split it by topic",
            source.path,
            lines.len()
        ));
    }
    let mut functions = Functions::default();
    functions.visit_file(&source.syntax);
    for function in functions.found {
        let length = function.last - function.first + 1;
        if length > FUNCTION_LINES && !is_table(&lines[..function.first - 1]) {
            findings.push(format!(
                "`{}` in `{}` has {length} lines, and {FUNCTION_LINES} is the limit: take it apart, or write \
                 `{TABLE_MARK} …` above it when it is a table",
                function.name, source.path
            ));
        }
    }
    findings
}

/// Whether the comments and attributes at the end of the text contain the mark of a table.
fn is_table(lines_before: &[&str]) -> bool {
    lines_before
        .iter()
        .rev()
        .map(|line| line.trim_start())
        .take_while(|line| line.starts_with("//") || line.starts_with("#["))
        .any(|line| line.starts_with(TABLE_MARK))
}

#[derive(Default)]
struct Functions {
    found: Vec<Function>,
}

/// A function with a body, and the numbers of its first and last line.
struct Function {
    name: String,
    first: usize,
    last: usize,
}

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        self.found.push(Function {
            name: signature.ident.to_string(),
            first: signature.fn_token.span.start().line,
            last: body.brace_token.span.close().end().line,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(body) = &item.default {
            self.add(&item.sig, body);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        check(&[Source::new("crates/a/src/b.rs", text).expect("the test writes Rust")])
    }

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(findings(&"// line\n".repeat(500)), [""; 0]);
        let found = findings(&"// line\n".repeat(501));
        assert!(
            found[0].starts_with("`crates/a/src/b.rs` has 501 lines"),
            "{found:?}"
        );
    }

    #[test]
    fn a_long_function_is_found_wherever_it_is() {
        let long = |lines: usize| format!("fn long() {{\n{}}}\n", "    one();\n".repeat(lines - 2));
        assert_eq!(findings(&long(80)), [""; 0]);
        for text in [
            long(81),
            format!(
                "struct A;\nimpl A {{\n/// Documentation.\npub(crate) {}}}\n",
                long(81)
            ),
            format!("trait A {{\n{}}}\n", long(81)),
            format!("#[cfg(test)]\nmod tests {{\n{}}}\n", long(81)),
        ] {
            let found = findings(&text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(
                found[0].starts_with("`long` in `crates/a/src/b.rs` has 81 lines"),
                "{found:?}"
            );
        }
    }

    #[test]
    fn a_table_may_be_long() {
        let table = format!(
            "// Table: one line a route.\n#[must_use]\nfn routes() {{\n{}}}\n",
            "    one();\n".repeat(90)
        );
        assert_eq!(findings(&table), [""; 0]);
    }
}
