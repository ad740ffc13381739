use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::bounds::Bounds;
use crate::error::{ConfigError, Fault};
use crate::field::{Field, UnknownKeys};
use crate::source::Source;

/// Collects the faults of one file while it is turned into a configuration.
pub(crate) struct Check<'a> {
    source: &'a Source,
    section: Vec<String>,
    faults: Vec<Fault>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(source: &'a Source) -> Self {
        Check {
            source,
            section: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// The configuration, if nothing was wrong.
    pub(crate) fn finish<T>(mut self, built: Option<T>) -> Result<T, ConfigError> {
        match built {
            Some(config) if self.faults.is_empty() => Ok(config),
            _ => {
                self.faults.sort_by(|a, b| a.key.cmp(&b.key));
                Err(ConfigError::Faults {
                    path: self.source.path.clone(),
                    faults: self.faults,
                })
            }
        }
    }

    /// Notes that the present section itself is wrong.
    pub(crate) fn section_fault(&mut self, sentence: impl Into<String>) {
        let name = self.section.pop().expect("called while a section is read");
        self.fault(&name, sentence);
        self.section.push(name);
    }

    /// Notes that `key` of the present section is wrong.
    pub(crate) fn fault(&mut self, key: &str, sentence: impl Into<String>) {
        let key: Vec<&str> = self.section.iter().map(String::as_str).chain([key]).collect();
        let key = key.join(".");
        let variable = Source::variable(&key);
        let mut sentence = sentence.into();
        if self.source.environment.contains_key(&variable) {
            sentence.push_str(&format!(" (the value comes from {variable})"));
        }
        self.faults.push(Fault { key, sentence });
    }

    /// Notes every key the present section doesn't have.
    pub(crate) fn unknown(&mut self, unknown: &UnknownKeys, known: &[&str]) {
        for key in unknown.0.keys() {
            self.fault(
                key,
                format!("there is no such key; known here are {}", known.join(", ")),
            );
        }
    }

    /// Reads a section; an absent one is read as an empty one.
    pub(crate) fn section<F: Default, T>(
        &mut self,
        key: &str,
        field: Field<F>,
        read: impl FnOnce(&mut Self, F) -> Option<T>,
    ) -> Option<T> {
        let file = match field {
            Field::Given(file) => file,
            Field::Absent => F::default(),
            Field::Wrong(kind) => {
                self.fault(key, format!("is a {kind}; write a section [{key}]"));
                return None;
            }
        };
        self.section.push(key.to_owned());
        let built = read(self, file);
        self.section.pop();
        built
    }

    /// Reads a section of named sections; all of them are read even if one is wrong.
    pub(crate) fn table<F: Default, T>(
        &mut self,
        key: &str,
        field: Field<BTreeMap<String, Field<F>>>,
        mut read: impl FnMut(&mut Self, &str, F) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.section(key, field, |check, entries| {
            let read: Vec<Option<T>> = entries
                .into_iter()
                .map(|(name, entry)| check.section(&name, entry, |check, file| read(check, &name, file)))
                .collect();
            read.into_iter().collect()
        })
    }

    /// A key that must be there; `write` is an example of the right line.
    pub(crate) fn required<T>(&mut self, key: &str, field: Field<T>, write: &str) -> Option<T> {
        match field {
            Field::Given(value) => Some(value),
            Field::Absent => {
                self.fault(key, format!("is missing and has no default; write {write}"));
                None
            }
            Field::Wrong(kind) => {
                self.fault(key, format!("is a {kind}; write {write}"));
                None
            }
        }
    }

    /// A key that must be there and spell a `T`.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
        field: Field<String>,
        write: &str,
    ) -> Option<T> {
        let text = self.required(key, field, write)?;
        text.parse()
            .map_err(|reason| self.fault(key, format!("{reason}; write {write}")))
            .ok()
    }

    /// A key that spells a `T` if it is there.
    pub(crate) fn parsed_or<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
        field: Field<String>,
        default: T,
        write: &str,
    ) -> Option<T> {
        match field {
            Field::Absent => Some(default),
            given => self.parsed(key, given, write),
        }
    }

    /// A number within bounds.
    pub(crate) fn number(&mut self, key: &str, field: Field<u64>, bounds: Bounds) -> Option<u64> {
        let Bounds {
            least,
            most,
            default,
            unit,
        } = bounds;
        match field {
            Field::Absent => Some(default),
            Field::Given(value) if (least..=most).contains(&value) => Some(value),
            Field::Given(value) => {
                self.fault(
                    key,
                    format!("{value} is out of range; write a number of {unit} from {least} to {most}"),
                );
                None
            }
            Field::Wrong(kind) => {
                self.fault(
                    key,
                    format!("is a {kind}; write a whole number of {unit} from {least} to {most}"),
                );
                None
            }
        }
    }

    /// A number within bounds, of something that is counted in memory.
    pub(crate) fn count(&mut self, key: &str, field: Field<u64>, bounds: Bounds) -> Option<usize> {
        let value = self.number(key, field, bounds)?;
        usize::try_from(value)
            .map_err(|_| self.fault(key, format!("{value} does not fit this machine")))
            .ok()
    }

    /// A path that must be given; a relative one starts at the file's directory.
    pub(crate) fn path(&mut self, key: &str, field: Field<String>, write: &str) -> Option<PathBuf> {
        let text = self.required(key, field, write)?;
        if text.is_empty() {
            self.fault(key, format!("is empty; write {write}"));
            return None;
        }
        Some(self.source.directory().join(text))
    }
}

/// Looks whether files that a configuration names are there, before anything starts.
pub(crate) struct FileCheck {
    faults: Vec<Fault>,
}

impl FileCheck {
    pub(crate) fn new() -> Self {
        FileCheck { faults: Vec::new() }
    }

    fn fault(&mut self, key: &str, sentence: String) {
        self.faults.push(Fault {
            key: key.to_owned(),
            sentence,
        });
    }

    /// A file that can be read.
    pub(crate) fn readable(&mut self, key: &str, path: &Path) {
        if let Err(reason) = std::fs::File::open(path) {
            let path = path.display();
            self.fault(
                key,
                format!("cannot read {path}: {reason}; `tercet keys --out DIRECTORY` makes the files of an identity"),
            );
        }
    }

    /// A file that can be read, and by nobody else.
    pub(crate) fn private(&mut self, key: &str, path: &Path) {
        self.readable(key, path);
        #[cfg(unix)]
        if let Ok(metadata) = std::fs::metadata(path) {
            use std::os::unix::fs::PermissionsExt;
            if metadata.permissions().mode() & 0o077 != 0 {
                let path = path.display();
                self.fault(
                    key,
                    format!("{path} is a private key that others on this machine can read; run chmod 600 {path}"),
                );
            }
        }
    }

    /// A directory that exists or can be made.
    pub(crate) fn directory(&mut self, key: &str, path: &Path) {
        if let Err(reason) = std::fs::create_dir_all(path) {
            let path = path.display();
            self.fault(
                key,
                format!("cannot make the directory {path}: {reason}; name one that this user may write to"),
            );
        }
    }

    pub(crate) fn finish(self, path: &Path) -> Result<(), ConfigError> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Faults {
            path: path.to_owned(),
            faults: self.faults,
        })
    }
}
