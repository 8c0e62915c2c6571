//! The modules of a crate, and the imports between its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::Visit;

use super::source::root;

/// A crate's modules by path, such as `["store", "mysql"]`.
pub struct Crate {
    source: PathBuf,
    modules: BTreeMap<Vec<String>, Module>,
}

#[derive(Default)]
struct Module {
    file: PathBuf,
    defined: BTreeSet<String>,
    /// What `use` imports, by its local name; `*` stands for all.
    names: Vec<(String, Vec<String>)>,
    /// The imports, and other paths that start with `crate`, `self` or `super`.
    needed: Vec<Vec<String>>,
}

impl Crate {
    pub fn read(name: &str) -> Self {
        let source = root().join(name).join("src");
        let mut read = Self {
            modules: BTreeMap::new(),
            source: source.clone(),
        };
        read.read_file(&source.join("lib.rs"), &source, Vec::new());
        read
    }

    /// The files that each file imports from, by their paths below `src`.
    ///
    /// A re-export (`pub use`) is not an import of its module: it is traced to the file
    /// that defines it.
    pub fn imports(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, module) in &self.modules {
            let edges = graph.entry(self.name(&module.file)).or_default();
            let files = module.needed.iter();
            let files = files.filter_map(|needed| self.definition(path, needed, 0));
            edges.extend(files.map(|file| self.name(file)));
            edges.remove(&self.name(&module.file));
        }
        graph
    }

    fn name(&self, file: &Path) -> String {
        let name = file.strip_prefix(&self.source).unwrap();
        name.display().to_string()
    }

    /// The file that defines what a path in a module names.
    fn definition(&self, module: &[String], path: &[String], depth: usize) -> Option<&Path> {
        assert!(depth < 20, "{module:?} {path:?}");
        let mut at = module.to_vec();
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                name => {
                    let child = [at.as_slice(), &[name.to_owned()]].concat();
                    if !self.modules.contains_key(&child) {
                        return self.item(&at, name, others, depth);
                    }
                    at = child;
                }
            }
            rest = others;
        }
        self.modules.get(&at).map(|module| module.file.as_path())
    }

    fn item(&self, at: &[String], name: &str, rest: &[String], depth: usize) -> Option<&Path> {
        let module = self.modules.get(at)?;
        if module.defined.contains(name) || name == "*" {
            return Some(&module.file);
        }
        // A name that is its own origin is another crate's, as in `use quote::quote`.
        let mut names = module.names.iter();
        let (_, origin) = names.find(|(known, path)| known == name && path[0] != name)?;
        let origin = [origin.as_slice(), rest].concat();
        self.definition(at, &origin, depth + 1)
    }

    fn read_file(&mut self, file: &Path, folder: &Path, path: Vec<String>) {
        let text = fs::read_to_string(file).unwrap();
        let parsed = syn::parse_file(&text).unwrap();
        self.read_items(&parsed.items, file, folder, path);
    }

    fn read_items(&mut self, items: &[syn::Item], file: &Path, folder: &Path, path: Vec<String>) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        for item in items.iter().filter(|item| !is_for_tests(item)) {
            match item {
                syn::Item::Mod(child) => {
                    let name = child.ident.to_string();
                    let folder = folder.join(&name);
                    let path = [path.as_slice(), &[name]].concat();
                    match &child.content {
                        Some((_, items)) => self.read_items(items, file, &folder, path),
                        None => self.read_file(&file_of(child, &folder), &folder, path),
                    }
                }
                syn::Item::Use(used) => {
                    let mut names = Vec::new();
                    flatten(&used.tree, &mut Vec::new(), &mut names);
                    if matches!(used.vis, syn::Visibility::Inherited) {
                        let needed = names.iter().map(|(_, path)| path.clone());
                        module.needed.extend(needed);
                    }
                    module.names.extend(names);
                }
                other => {
                    module.defined.extend(name_of(other));
                    module.visit_item(other);
                }
            }
        }
        self.modules.insert(path, module);
    }
}

/// Collects each name of a `use` tree with its path.
fn flatten(tree: &syn::UseTree, above: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let mut add = |name: &syn::Ident, last: &syn::Ident| {
        let path = [above.as_slice(), &[last.to_string()]].concat();
        found.push((name.to_string(), path));
    };
    match tree {
        syn::UseTree::Name(used) if used.ident == "self" => {
            let name = above.last().cloned().unwrap_or_default();
            found.push((name, above.clone()));
        }
        syn::UseTree::Name(used) => add(&used.ident, &used.ident),
        syn::UseTree::Rename(used) => add(&used.rename, &used.ident),
        syn::UseTree::Glob(_) => {
            let path = [above.as_slice(), &["*".to_owned()]].concat();
            found.push(("*".to_owned(), path));
        }
        syn::UseTree::Path(path) => {
            above.push(path.ident.to_string());
            flatten(&path.tree, above, found);
            above.pop();
        }
        syn::UseTree::Group(group) => {
            for tree in &group.items {
                flatten(tree, above, found);
            }
        }
    }
}

impl Visit<'_> for Module {
    fn visit_path(&mut self, path: &syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|s| s.ident.to_string()).collect();
        if matches!(
            names.first().map(String::as_str),
            Some("crate" | "self" | "super")
        ) {
            self.needed.push(names);
        }
        syn::visit::visit_path(self, path);
    }

    /// `pub(in crate::…)` imports nothing.
    fn visit_vis_restricted(&mut self, _: &syn::VisRestricted) {}
}

fn name_of(item: &syn::Item) -> Option<String> {
    let name = match item {
        syn::Item::Const(item) => &item.ident,
        syn::Item::Enum(item) => &item.ident,
        syn::Item::Fn(item) => &item.sig.ident,
        syn::Item::Macro(item) => item.ident.as_ref()?,
        syn::Item::Static(item) => &item.ident,
        syn::Item::Struct(item) => &item.ident,
        syn::Item::Trait(item) => &item.ident,
        syn::Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

fn is_for_tests(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        _ => return false,
    };
    let mut cfgs = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    cfgs.any(|attribute| {
        attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|path| path.is_ident("test"))
    })
}

fn file_of(module: &syn::ItemMod, folder: &Path) -> PathBuf {
    let files = [folder.with_extension("rs"), folder.join("mod.rs")];
    let named = module
        .attrs
        .iter()
        .find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(path) if path.path.is_ident("path") => Some(&path.value),
            _ => None,
        });
    let named = named.map(|path| {
        let path: syn::LitStr = syn::parse_quote!(#path);
        folder.with_file_name(path.value())
    });
    let mut files = named.into_iter().chain(files);
    files.find(|file| file.exists()).unwrap()
}
