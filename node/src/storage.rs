//! Models on disk, each in one file: the message that brought it, with its parameters still sealed to this node's key.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tercet_ids::QueryId;
use tercet_wire::{Load, ModelName, WireError, decode, encode};

/// Models that are served, by name.
const ACTIVE: &str = "active";
/// Models that are loaded and not yet activated, by deployment.
const STAGED: &str = "staged";

/// The directory of models.
#[derive(Clone, Debug)]
pub struct Storage {
    active: PathBuf,
    staged: PathBuf,
}

/// A model that can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file system refuses.
    #[error("cannot use {path}: {error}; give the node read and write access there, and room")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the file system says.
        error: io::Error,
    },
    /// The file is not a model of this version.
    #[error("{path} is no stored model of this release ({error}); delete it and deploy the model again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: WireError,
    },
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, StorageError> {
    result.map_err(|error| StorageError::Io {
        path: path.to_owned(),
        error,
    })
}

impl Storage {
    /// Makes the directories where they are missing, and removes what an earlier process left half way.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn open(directory: &Path) -> Result<Storage, StorageError> {
        let storage = Storage {
            active: directory.join(ACTIVE),
            staged: directory.join(STAGED),
        };
        if storage.staged.exists() {
            at(&storage.staged, fs::remove_dir_all(&storage.staged))?;
        }
        for directory in [&storage.active, &storage.staged] {
            at(directory, fs::create_dir_all(directory))?;
        }
        Ok(storage)
    }

    /// The files of all models that are served.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn stored(&self) -> Result<Vec<PathBuf>, StorageError> {
        let entries = at(&self.active, fs::read_dir(&self.active))?;
        let mut paths = Vec::new();
        for entry in entries {
            paths.push(at(&self.active, entry)?.path());
        }
        paths.sort();
        Ok(paths)
    }

    /// Reads one of them.
    ///
    /// # Errors
    /// The file system refuses, or it is no model.
    pub fn read(path: &Path) -> Result<Load, StorageError> {
        let bytes = at(path, fs::read(path))?;
        decode(&bytes).map_err(|error| StorageError::Malformed {
            path: path.to_owned(),
            error,
        })
    }

    /// Writes a model that is not served yet.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn stage(&self, load: &Load) -> Result<(), StorageError> {
        let path = self.staged_path(load.deployment);
        let write = || {
            let mut file = fs::File::create(&path)?;
            file.write_all(&encode(load))?;
            file.sync_all()
        };
        at(&path, write())
    }

    /// Serves a staged model in place of an older one of the name; at once, so that a crash leaves one or the other.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn activate(&self, deployment: QueryId, name: &ModelName) -> Result<(), StorageError> {
        let path = self.staged_path(deployment);
        at(&path, fs::rename(&path, self.active.join(name.as_str())))?;
        at(
            &self.active,
            fs::File::open(&self.active).and_then(|directory| directory.sync_all()),
        )
    }

    /// Removes a staged model.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn discard(&self, deployment: QueryId) -> Result<(), StorageError> {
        let path = self.staged_path(deployment);
        at(&path, fs::remove_file(&path))
    }

    fn staged_path(&self, deployment: QueryId) -> PathBuf {
        self.staged.join(deployment.to_string())
    }
}

#[cfg(test)]
mod tests {
    use tercet_wire::Opaque;

    use super::*;

    fn load(number: u8, name: &str) -> Load {
        Load {
            deployment: QueryId([number; 16]),
            name: name.parse().expect("a plain name"),
            plan: Opaque::from(vec![number; 10]),
            envelope: Opaque::from(vec![number; 1000]),
        }
    }

    fn stored(storage: &Storage) -> Vec<Load> {
        let paths = storage.stored().expect("the directory is readable");
        paths.iter().map(|path| Storage::read(path).expect("whole")).collect()
    }

    #[test]
    fn what_is_activated_survives_and_what_is_staged_does_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let storage = Storage::open(directory.path()).expect("opened");
        for (number, name) in [(1, "a"), (2, "b"), (3, "c")] {
            storage.stage(&load(number, name)).expect("written");
        }
        storage
            .activate(QueryId([2; 16]), &"b".parse().expect("plain"))
            .expect("activated");
        storage.discard(QueryId([3; 16])).expect("removed");
        assert_eq!(stored(&storage), [load(2, "b")]);

        let again = Storage::open(directory.path()).expect("opened");
        assert_eq!(stored(&again), [load(2, "b")]);
        let gone = again.activate(QueryId([1; 16]), &"a".parse().expect("plain"));
        assert!(matches!(gone, Err(StorageError::Io { .. })), "{gone:?}");
    }

    #[test]
    fn a_newer_deployment_replaces_the_older_one() {
        let directory = tempfile::tempdir().expect("a directory");
        let storage = Storage::open(directory.path()).expect("opened");
        for number in [1, 2] {
            storage.stage(&load(number, "a")).expect("written");
            storage
                .activate(QueryId([number; 16]), &"a".parse().expect("plain"))
                .expect("activated");
        }
        assert_eq!(stored(&storage), [load(2, "a")]);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let storage = Storage::open(directory.path()).expect("opened");
        storage.stage(&load(1, "a")).expect("written");
        storage
            .activate(QueryId([1; 16]), &"a".parse().expect("plain"))
            .expect("activated");
        let path = &storage.stored().expect("readable")[0];
        let whole = fs::read(path).expect("readable");
        fs::write(path, &whole[..whole.len() - 1]).expect("written");
        let error = Storage::read(path).expect_err("cut short");
        assert!(
            matches!(error, StorageError::Malformed { .. }) && error.to_string().contains("active/a"),
            "{error}"
        );
    }
}
