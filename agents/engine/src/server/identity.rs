//! The certificate by which this engine is known over TCP: made once, kept with its key where only its user reads.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use mz_client::Fingerprint;
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// Clients ask for this name, and know the engine by its fingerprint.
const NAME: &str = "mezzanine";

/// The folder of all that concerns remote access, made where it is missing and closed to everyone else.
pub fn folder(state: &Path) -> anyhow::Result<PathBuf> {
    let folder = state.join("remote");
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let meta = std::fs::symlink_metadata(&folder)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        bail!("{0} is not closed to other users: see who opened it, then `chmod 700 {0}`", folder.display());
    }
    Ok(folder)
}

/// TLS 1.3 with the engine's certificate, and how clients know it.
pub fn open(state: &Path) -> anyhow::Result<(Arc<ServerConfig>, Fingerprint)> {
    let folder = folder(state)?;
    let (certificate, key) = (folder.join("certificate.der"), folder.join("key.der"));
    // Both are named by the one file that comes last, so that a crash in between leaves none.
    if !certificate.exists() {
        let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).context("cannot make a certificate")?;
        write(&key, &made.signing_key.serialize_der())?;
        write(&certificate, made.cert.der())?;
    }
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let (certificate, key_bytes) = (CertificateDer::from(read(&certificate)?), read(&key)?);
    let fingerprint = Fingerprint::of(&certificate);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key_bytes));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .with_context(|| {
            format!("the certificate in {} cannot be used: remove both files there for a new one", folder.display())
        })?;
    Ok((Arc::new(config), fingerprint))
}

/// Writes a whole file or none, readable by its owner only.
pub fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let fault = || format!("cannot write {}", path.display());
    let draft = path.with_extension("draft");
    let _ = std::fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).with_context(fault)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).with_context(fault)?;
    std::fs::rename(&draft, path).with_context(fault)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(fault)
}
