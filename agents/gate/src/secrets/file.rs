//! Secrets as files: the folder 0700, each file 0600, written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{LONGEST, Secret, SecretError, SecretStore, check_name, check_size};

/// A folder of secrets.
pub struct FileStore {
    folder: PathBuf,
    place: String,
}

impl FileStore {
    /// Makes the folder where it is missing; refuses one that others may read.
    pub fn open(folder: &Path) -> Result<Self, SecretError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fault("cannot make", folder))?;
        let data = fs::symlink_metadata(folder).map_err(fault("cannot look at", folder))?;
        let own = data.is_dir() && data.uid() == rustix::process::geteuid().as_raw();
        if !own || data.permissions().mode() & 0o077 != 0 {
            return Err(SecretError::Open { path: folder.to_owned(), want: "700" });
        }
        Ok(Self { folder: folder.to_owned(), place: format!("files in {}", folder.display()) })
    }

    fn path(&self, name: &str) -> Result<PathBuf, SecretError> {
        check_name(name)?;
        Ok(self.folder.join(name))
    }
}

fn fault(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SecretError {
    let path = path.to_owned();
    move |source| SecretError::File { what, path, source }
}

/// Never through a link.
fn no_links() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

impl SecretStore for FileStore {
    fn place(&self) -> &str {
        &self.place
    }

    fn get(&self, name: &str) -> Result<Option<Secret>, SecretError> {
        let path = self.path(name)?;
        let file = match OpenOptions::new().read(true).custom_flags(no_links()).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(fault("cannot open", &path)(error)),
        };
        let data = file.metadata().map_err(fault("cannot look at", &path))?;
        if !data.is_file() || data.permissions().mode() & 0o077 != 0 {
            return Err(SecretError::Open { path, want: "600" });
        }
        let mut text = Zeroizing::new(String::with_capacity(LONGEST + 1));
        file.take(LONGEST as u64 + 1).read_to_string(&mut text).map_err(fault("cannot read", &path))?;
        let secret = Secret(text);
        check_size(&secret)?;
        Ok(Some(secret))
    }

    fn put(&self, name: &str, secret: &Secret) -> Result<(), SecretError> {
        let path = self.path(name)?;
        check_size(secret)?;
        // A name that no secret can have.
        let draft = self.folder.join(format!(".{name}.new"));
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(fault("cannot replace", &draft)(error)),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(no_links());
        let mut file = options.open(&draft).map_err(fault("cannot make", &draft))?;
        file.write_all(secret.expose().as_bytes()).and_then(|()| file.sync_all()).map_err(fault("cannot write", &draft))?;
        fs::rename(&draft, &path).map_err(fault("cannot write", &path))?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(fault("cannot write", &self.folder))
    }

    fn remove(&self, name: &str) -> Result<bool, SecretError> {
        let path = self.path(name)?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(fault("cannot remove", &path)(error)),
        }
    }
}
