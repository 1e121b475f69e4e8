//! The plain layers: committed files beside a pair, for values that are not secret (api.md §1).
//!
//! Nothing authenticates them: everyone who can write the repository can change them. So they never override the
//! sealed content and never provide a secret; see `layers::fields`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Pair;
use crate::base::read_regular;
use crate::base::{Complaint, Error, Kind, Origin, Problem};
use crate::format::{ContentType, Name};
use crate::layers::{self, Layer, LayerKind};

const LIMIT: usize = 1 << 20;

/// A plain layer that exists.
pub(crate) struct PlainLayer {
    file: Arc<Path>,
    text: String,
}

fn too_large(file: &Path) -> Error {
    Error::new(Kind::DoesNotFit, "the plain layer is larger than 1 MiB").at(file)
}

impl PlainLayer {
    /// Reads the plain layers beside `pair`, the weakest first: the one for all environments, then the one for this
    /// environment.
    ///
    /// # Errors
    /// [`Kind::Io`] for a layer that cannot be read, [`Kind::DoesNotFit`] for one that is too large or not UTF-8.
    pub(crate) fn beside(pair: &Pair, name: &Name, environment: &Name) -> Result<Vec<Self>, Error> {
        let files = Self::files(pair, name, environment).into_iter();
        files.filter_map(|file| Self::read(file).transpose()).collect()
    }

    /// Returns the paths of the plain layers, existing or not, the weakest first.
    pub(crate) fn files(pair: &Pair, name: &Name, environment: &Name) -> Vec<PathBuf> {
        let file = |stem: String| pair.enc().with_file_name(format!("{stem}.defaults.toml"));
        let every = file(name.to_string());
        let this = (environment.as_str() != "default").then(|| file(format!("{name}.{environment}")));
        [Some(every), this].into_iter().flatten().collect()
    }

    /// Returns the path of the file.
    #[cfg(feature = "tools")]
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Returns the file, and its text.
    #[cfg(feature = "watch")]
    pub(crate) fn parts(&self) -> (&Path, &str) {
        (&self.file, &self.text)
    }

    pub(crate) fn layer(&self) -> Layer<'_> {
        let content_type = ContentType::Toml;
        Layer { file: Some(self.file.clone()), kind: LayerKind::Plain, content_type, text: &self.text }
    }

    fn read(file: PathBuf) -> Result<Option<Self>, Error> {
        // Most pairs have no plain layer. A link to a missing file is an error, not a missing layer.
        if file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
            return Ok(None);
        }
        // Follow links: Kubernetes mounts files as links.
        match read_regular(&file, LIMIT) {
            Ok(Some(bytes)) => Self::new(file, bytes).map(Some),
            Ok(None) => Err(too_large(&file)),
            Err(error) => Err(Error::read(&file, error)),
        }
    }

    /// Returns the layer with this content.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] for a layer that is too large or not UTF-8.
    fn new(file: PathBuf, bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes.len() > LIMIT {
            return Err(too_large(&file));
        }
        let file: Arc<Path> = Arc::from(file);
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { file, text }),
            Err(error) => Err(not_utf8(file, error.as_bytes(), error.utf8_error().valid_up_to())),
        }
    }

    /// Parses the layer like a load.
    ///
    /// # Errors
    /// [`Kind::DoesNotFit`] with line and column.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let broken = |problem| Error::does_not_fit("a plain layer", vec![problem]).at(&self.file);
        layers::check(&self.layer()).map_err(broken)
    }
}

/// Rejects the content of a plain layer (`app.defaults.toml`) that a load cannot parse. `file` is the path for errors;
/// this function does not read it.
///
/// # Errors
/// [`Kind::DoesNotFit`], with line and column, for more than 1 MiB, and for text that is not UTF-8 or not TOML.
pub fn check_plain_layer(file: &Path, content: Vec<u8>) -> Result<(), Error> {
    PlainLayer::new(file.to_owned(), content)?.check()
}

/// Returns an error with the line of the first invalid UTF-8 byte.
fn not_utf8(file: Arc<Path>, bytes: &[u8], valid: usize) -> Error {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let origin = Origin::Text { file: Some(file), sealed: false, line, column };
    let problem = Problem::new("", Some(origin), Complaint::Syntax { expected: "UTF-8" });
    Error::does_not_fit("a plain layer", vec![problem])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(directory: &Path, environment: &str) -> Result<Vec<String>, Error> {
        let (name, environment) = ("app".parse().unwrap(), environment.parse().unwrap());
        let plain = PlainLayer::beside(&Pair::new(directory, &name, &environment), &name, &environment)?;
        Ok(plain.into_iter().map(|plain| plain.text).collect())
    }

    #[test]
    fn the_layer_of_one_environment_comes_last() {
        let directory = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &[u8]| std::fs::write(directory.path().join(file), text).unwrap();
        assert!(read(directory.path(), "prod").unwrap().is_empty());
        write("app.prod.defaults.toml", b"prod");
        write("app.default.defaults.toml", b"not read");
        assert_eq!(read(directory.path(), "prod").unwrap(), ["prod"]);
        write("app.defaults.toml", b"all");
        assert_eq!(read(directory.path(), "prod").unwrap(), ["all", "prod"]);
        assert_eq!(read(directory.path(), "default").unwrap(), ["all"]);
    }

    #[test]
    fn invalid_utf_8_is_located_and_large_files_are_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("app.defaults.toml");
        std::fs::write(&file, b"a = 1\nb = '\xff'\n").unwrap();
        let error = read(directory.path(), "default").unwrap_err();
        assert!(error.to_string().ends_with("app.defaults.toml line 2, column 6"), "{error}");
        std::fs::write(&file, vec![b'\n'; LIMIT + 1]).unwrap();
        assert_eq!(read(directory.path(), "default").unwrap_err().kind(), Kind::DoesNotFit);
        std::fs::write(&file, vec![b'\n'; LIMIT]).unwrap();
        assert!(read(directory.path(), "default").is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_layer_that_cannot_be_read_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", directory.path().join("app.defaults.toml")).unwrap();
        assert_eq!(read(directory.path(), "default").unwrap_err().kind(), Kind::Io);
        std::fs::create_dir(directory.path().join("app.prod.defaults.toml")).unwrap();
        assert_eq!(read(directory.path(), "prod").unwrap_err().kind(), Kind::Io);
    }
}
