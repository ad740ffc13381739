//! Which file belongs to which input or output of a model.

use std::path::PathBuf;

use tercet_plan::Array;

use crate::exit::{ExitCode, Failure};
use crate::npy;

/// What a list of files is for, in messages.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    /// The option, `--input`.
    pub option: &'static str,
    /// What the model has of these, `input` or `output`.
    pub port: &'static str,
}

/// `--input`
pub const INPUT: Purpose = Purpose {
    option: "--input",
    port: "input",
};
/// `--calibration`
pub const CALIBRATION: Purpose = Purpose {
    option: "--calibration",
    port: "input",
};
/// `--expected`
pub const EXPECTED: Purpose = Purpose {
    option: "--expected",
    port: "output",
};
/// `--output`
pub const OUTPUT: Purpose = Purpose {
    option: "--output",
    port: "output",
};

/// Puts files in the order of the model's ports. A file is `NAME=FILE`, or belongs to the first port that no other has.
pub fn in_order(purpose: Purpose, given: &[String], ports: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let Purpose { option, port } = purpose;
    let fail = |sentence: String| Err(Failure::new(ExitCode::Usage, sentence));
    let mut placed: Vec<Option<PathBuf>> = vec![None; ports.len()];
    let mut unnamed = Vec::new();
    for text in given {
        // A path may hold `=` itself, so only what stands before it and is a port's name makes it one.
        let named = text
            .split_once('=')
            .and_then(|(name, path)| Some((ports.iter().position(|port| *port == name)?, path)));
        let Some((position, path)) = named else {
            unnamed.push(text);
            continue;
        };
        if placed[position].replace(PathBuf::from(path)).is_some() {
            return fail(format!(
                "{option} gives {port} `{}` twice; give each once",
                ports[position]
            ));
        }
    }
    let mut free = placed.iter_mut().filter(|place| place.is_none());
    for text in unnamed {
        match free.next() {
            Some(place) => *place = Some(PathBuf::from(text)),
            None => {
                return fail(format!(
                    "{option} {text} is one too many; the model's {port}s are {}",
                    ports.join(", ")
                ));
            }
        }
    }
    let missing: Vec<&str> = ports
        .iter()
        .zip(&placed)
        .filter(|(_, place)| place.is_none())
        .map(|(port, _)| *port)
        .collect();
    match placed.into_iter().collect::<Option<Vec<PathBuf>>>() {
        Some(paths) => Ok(paths),
        None => fail(format!(
            "{option} is missing for {port} {}; give {option} once for each",
            missing.join(", ")
        )),
    }
}

/// Reads files in the order of the model's ports.
pub fn read_in_order(purpose: Purpose, given: &[String], ports: &[&str]) -> Result<Vec<Array>, Failure> {
    in_order(purpose, given, ports)?
        .iter()
        .map(|path| npy::read(path))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(given: &[&str], ports: &[&str]) -> Result<Vec<String>, String> {
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        let paths = in_order(INPUT, &given, ports).map_err(|failure| failure.sentence)?;
        Ok(paths.iter().map(|path| path.display().to_string()).collect())
    }

    #[test]
    fn files_go_by_order_by_name_or_both() {
        let of = |paths: &[&str]| Ok(paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>());
        assert_eq!(order(&["a.npy", "b.npy"], &["x", "y"]), of(&["a.npy", "b.npy"]));
        assert_eq!(order(&["y=b.npy", "x=a.npy"], &["x", "y"]), of(&["a.npy", "b.npy"]));
        assert_eq!(order(&["x=a.npy", "b.npy"], &["x", "y"]), of(&["a.npy", "b.npy"]));
        assert_eq!(order(&["b.npy", "x=a.npy"], &["x", "y"]), of(&["a.npy", "b.npy"]));
        assert_eq!(order(&["runs/seed=3.npy"], &["x"]), of(&["runs/seed=3.npy"]));
    }

    #[test]
    fn too_few_too_many_and_twice_are_told_apart() {
        assert!(
            order(&["a.npy"], &["x", "y"])
                .unwrap_err()
                .contains("missing for input y")
        );
        assert!(order(&["a.npy", "b.npy"], &["x"]).unwrap_err().contains("one too many"));
        assert!(order(&["x=a.npy", "x=b.npy"], &["x"]).unwrap_err().contains("twice"));
    }
}
