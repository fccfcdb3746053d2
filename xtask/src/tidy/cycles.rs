//! Checks that the files of a crate use each other in one direction.
//!
//! The check considers paths in `use` declarations and in code that start at `crate`, `super`, `self` or a child
//! module. A name that a module only re-exports leads to the file that defines it, so a `lib.rs` that re-exports
//! everything is part of no cycle. Tests inside a file may use anything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syn::visit::{self, Visit};

use super::source::Source;

/// Returns a finding for each crate whose files form a cycle, with the shortest cycle.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    read(sources)
        .into_iter()
        .filter_map(|(name, this)| {
            let cycle = shortest_cycle(&this.edges())?;
            Some(format!(
                "the files of `{name}` use each other in a cycle: `{}`: move what two of them need into a file \
                 below both",
                cycle.join("`, `")
            ))
        })
        .collect()
}

/// Returns the files that each file uses, and the first names of all other paths, such as external crates.
pub(crate) fn uses(sources: &[Source]) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for this in read(sources).values() {
        for (from, files) in this.edges() {
            all.extend(files.into_iter().map(|to| (from.to_owned(), to.to_owned())));
        }
        for module in this.modules.values() {
            let names = module.uses.iter().filter_map(|it| it.path.first());
            all.extend(names.map(|name| (module.file.clone(), name.clone())));
        }
    }
    all
}

fn read<'a>(sources: &[Source<'a>]) -> BTreeMap<&'a str, Crate> {
    let mut crates: BTreeMap<&str, Crate> = BTreeMap::new();
    for source in sources {
        let is_main_of_library = source.path.strip_suffix("/main.rs").is_some_and(|folder| {
            let library = format!("{folder}/lib.rs");
            sources.iter().any(|source| source.path == library)
        });
        // No other file can use a `main.rs`, and its `crate` is not the library's.
        if is_main_of_library {
            continue;
        }
        if let Some((name, module)) = place(source.path) {
            let this = crates.entry(name).or_default();
            this.read(source, module);
        }
    }
    crates
}

/// The names from the crate's root to a module.
type ModulePath = Vec<String>;

/// Splits the path of a source file into the crate's folder and the module that the file holds.
fn place(path: &str) -> Option<(&str, ModulePath)> {
    let (mut name, mut file) = path.split_once("/src/")?;
    // A folder in `bin/` is a binary, which is a separate crate: its `crate` is not the library.
    if let Some((_, inside)) = file.strip_prefix("bin/").and_then(|it| it.split_once('/')) {
        name = path.strip_suffix(inside)?;
        file = inside;
    }
    let module = file.strip_suffix(".rs")?;
    let module = module.strip_suffix("/mod").unwrap_or(module);
    let root = ["lib", "main"].contains(&module);
    let names = module.split('/').filter(|_| !root);
    Some((name, names.map(str::to_owned).collect()))
}

/// The modules of a crate, including modules inside a file.
#[derive(Default)]
struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

#[derive(Default)]
struct Module {
    /// The path of its file.
    file: String,
    /// Names that `use` brings into the module, with their paths.
    imports: BTreeMap<String, Vec<String>>,
    /// Paths that the module uses.
    uses: Vec<Use>,
}

struct Use {
    path: Vec<String>,
    is_reexport: bool,
}

impl Crate {
    fn read(&mut self, source: &Source, module: ModulePath) {
        let mut reader = Reader {
            this: self,
            file: source.path,
            module: module.clone(),
        };
        reader.enter(module);
        reader.visit_file(&source.syntax);
    }

    /// The files that each file uses.
    fn edges(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (from, module) in &self.modules {
            for used in &module.uses {
                let Some(to) = self.resolve(from, &used.path, MAX_REEXPORTS) else {
                    continue;
                };
                let is_facade = used.is_reexport && to.starts_with(from);
                let file = self.modules[to].file.as_str();
                if file != module.file && !is_facade {
                    edges.entry(module.file.as_str()).or_default().insert(file);
                }
            }
        }
        edges
    }

    /// Finds the module that defines what a path in the module `from` names, if it is one of this crate.
    fn resolve<'a>(
        &'a self,
        from: &'a [String],
        path: &[String],
        reexports_left: u8,
    ) -> Option<&'a ModulePath> {
        let (mut at, mut rest): (&[String], &[String]) = match path.first()?.as_str() {
            "crate" => (&[], &path[1..]),
            "self" => (from, &path[1..]),
            "super" => (from.split_last()?.1, &path[1..]),
            child if self.child(from, child).is_some() => (from, path),
            _ => return None,
        };
        while let [name, after @ ..] = rest {
            if name == "super" {
                at = at.split_last()?.1;
            } else if let Some(child) = self.child(at, name) {
                at = child;
            } else {
                break;
            }
            rest = after;
        }
        let (this, module) = self.modules.get_key_value(at)?;
        let import = rest.first().and_then(|name| module.imports.get(name));
        match import {
            Some(path) if reexports_left > 0 => self.resolve(this, path, reexports_left - 1).or(Some(this)),
            _ => Some(this),
        }
    }

    fn child(&self, module: &[String], name: &str) -> Option<&ModulePath> {
        let path = [module, &[name.to_owned()]].concat();
        self.modules.get_key_value(&path).map(|(path, _)| path)
    }
}

/// The number of re-exports that are followed one after the other. The limit ends the search for `use` declarations
/// that name each other.
const MAX_REEXPORTS: u8 = 8;

/// Reads the paths of a file into the modules of its crate.
struct Reader<'a> {
    this: &'a mut Crate,
    file: &'a str,
    module: ModulePath,
}

impl Reader<'_> {
    fn enter(&mut self, module: ModulePath) {
        self.module = module.clone();
        self.this.modules.entry(module).or_default().file = self.file.to_owned();
    }

    fn module(&mut self) -> &mut Module {
        self.this.modules.get_mut(&self.module).expect("it was entered")
    }

    fn read_tree(&mut self, before: &[String], tree: &syn::UseTree, is_reexport: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let (name, path) = match tree {
            syn::UseTree::Path(it) => return self.read_tree(&with(&it.ident), &it.tree, is_reexport),
            syn::UseTree::Group(it) => {
                for tree in &it.items {
                    self.read_tree(before, tree, is_reexport);
                }
                return;
            }
            syn::UseTree::Name(it) if it.ident == "self" => (before.last().cloned(), before.to_vec()),
            syn::UseTree::Name(it) => (Some(it.ident.to_string()), with(&it.ident)),
            syn::UseTree::Rename(it) => (Some(it.rename.to_string()), with(&it.ident)),
            _ => (None, before.to_vec()),
        };
        if let Some(name) = name {
            self.module().imports.insert(name, path.clone());
        }
        self.module().uses.push(Use { path, is_reexport });
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() {
            let outer = self.module.clone();
            self.enter([&outer[..], &[item.ident.to_string()]].concat());
            visit::visit_item_mod(self, item);
            self.module = outer;
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let is_reexport = !matches!(item.vis, syn::Visibility::Inherited);
        self.read_tree(&[], &item.tree, is_reexport);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let path = path.segments.iter().map(|it| it.ident.to_string()).collect();
            self.module().uses.push(Use {
                path,
                is_reexport: false,
            });
        }
        visit::visit_path(self, path);
    }
}

/// Whether the item is compiled for tests only.
fn is_test(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(it) => &it.attrs,
        syn::Item::Fn(it) => &it.attrs,
        syn::Item::Use(it) => &it.attrs,
        syn::Item::Impl(it) => &it.attrs,
        _ => return false,
    };
    attributes.iter().any(|it| {
        it.path().is_ident("cfg") && it.parse_args::<syn::Path>().is_ok_and(|it| it.is_ident("test"))
    })
}

/// Finds the cycle with the fewest files; the first file is repeated at its end.
fn shortest_cycle<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Option<Vec<&'a str>> {
    let cycles = edges.keys().filter_map(|start| cycle_from(edges, start));
    cycles.min_by_key(Vec::len)
}

/// Finds the shortest path from a file over others back to itself.
fn cycle_from<'a>(edges: &BTreeMap<&'a str, BTreeSet<&'a str>>, start: &'a str) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::new();
    let mut paths = VecDeque::from([vec![start]]);
    while let Some(path) = paths.pop_front() {
        for to in path.last().and_then(|file| edges.get(file)).into_iter().flatten() {
            let longer = [&path[..], &[*to]].concat();
            if *to == start {
                return Some(longer);
            }
            if seen.insert(*to) {
                paths.push_back(longer);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message for a crate with these files, or nothing.
    fn cycle(files: &[(&str, &str)]) -> Option<String> {
        let paths: Vec<String> = files
            .iter()
            .map(|(name, _)| format!("crates/a/src/{name}"))
            .collect();
        let sources: Vec<Source> = paths
            .iter()
            .zip(files)
            .map(|(path, (_, text))| Source::new(path, text).expect("the test writes Rust"))
            .collect();
        let mut found = check(&sources);
        assert!(found.len() < 2, "a crate has one finding");
        found.pop()
    }

    #[test]
    fn two_files_that_use_each_other_are_a_cycle() {
        let message = cycle(&[
            ("lib.rs", "mod b; mod c;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "fn c() { crate::b::b() }"),
        ]);
        assert!(message.is_some_and(|it| {
            it.contains("`crates/a` use each other in a cycle: `crates/a/src/b.rs`, `crates/a/src/c.rs`, `crates/a/src/b.rs`: move")
        }),);
    }

    #[test]
    fn the_shortest_cycle_is_shown() {
        let message = cycle(&[
            ("lib.rs", ""),
            ("b.rs", "use crate::c;"),
            ("c.rs", "use crate::d;"),
            ("d.rs", "use crate::{b, e};"),
            ("e.rs", "use super::d::D;"),
        ]);
        assert!(message.is_some_and(|it| it.contains("cycle: `crates/a/src/d.rs`, `crates/a/src/e.rs`, `")));
    }

    #[test]
    fn a_child_that_uses_its_parent_is_a_cycle_when_the_parent_uses_it() {
        let child = ("b/c.rs", "use super::B;");
        assert!(cycle(&[("b.rs", "mod c; fn f() { c::new() }"), child]).is_some());
        assert!(cycle(&[("b.rs", "mod c;"), child]).is_none());
    }

    #[test]
    fn a_reexport_leads_to_the_file_that_defines_the_name() {
        let facade = ("lib.rs", "mod b; mod c; pub use self::b::B; pub use c::C;");
        assert!(cycle(&[facade, ("b.rs", ""), ("c.rs", "use crate::B;")]).is_none());
        assert!(cycle(&[facade, ("b.rs", "use crate::C;"), ("c.rs", "use crate::B;")]).is_some());
    }

    #[test]
    fn tests_in_a_file_and_a_main_next_to_a_library_may_use_anything() {
        let tests = "#[cfg(test)] mod tests { use crate::c::C; }";
        assert!(cycle(&[("b.rs", tests), ("c.rs", "use crate::b::B;")]).is_none());
        let library = ("lib.rs", "pub mod b;");
        assert!(cycle(&[library, ("b.rs", "use crate::main;"), ("main.rs", "use a::b;")]).is_none());
    }

    #[test]
    fn the_files_of_a_binary_are_a_separate_crate() {
        let library = ("c.rs", "use crate::d::D;");
        let main = ("bin/a/main.rs", "mod c; mod d; use crate::c::C; use crate::d::D;");
        let of_binary = [("bin/a/c.rs", ""), ("bin/a/d.rs", "use crate::c::C;")];
        assert!(cycle(&[library, main, of_binary[0], of_binary[1]]).is_none());
        let back = ("bin/a/c.rs", "use crate::d::D;");
        assert!(cycle(&[main, back, of_binary[1]]).is_some());
    }
}
