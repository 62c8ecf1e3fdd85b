use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::Duration;

use mz_gate::{FileStore, Secret, SecretError, SecretStore, open_store};

#[test]
fn a_secret_is_never_printed() {
    let secret = Secret::new("hunter2".into());
    assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "Secret(••••) Some(Secret(••••))");
}

#[test]
fn files_are_for_their_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    let store = FileStore::open(&path).unwrap();
    assert!(store.get("cms-password").unwrap().is_none());
    for text in ["hunter2", "hunter3 ä"] {
        store.put("cms-password", &Secret::new(text.into())).unwrap();
        assert_eq!(store.get("cms-password").unwrap().unwrap().expose(), text);
    }
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("cms-password"))), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1, "a draft was left behind");
    std::fs::set_permissions(path.join("cms-password"), PermissionsExt::from_mode(0o640)).unwrap();
    assert!(matches!(store.get("cms-password"), Err(SecretError::Open { want: "600", .. })));
    assert!(store.remove("cms-password").unwrap() && !store.remove("cms-password").unwrap());
    symlink("/etc/hostname", path.join("link")).unwrap();
    assert!(matches!(store.get("link"), Err(SecretError::File { .. })));
    for name in ["", "../x", "a/b", ".hidden", &"x".repeat(65)] {
        assert!(matches!(store.get(name), Err(SecretError::Name(_))), "{name}");
    }
    assert!(matches!(store.put("long", &Secret::new("x".repeat(5000))), Err(SecretError::Size)));
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    assert!(matches!(FileStore::open(&path), Err(SecretError::Open { want: "700", .. })));
}

#[test]
fn without_a_keyring_there_are_files() {
    let folder = tempfile::tempdir().unwrap();
    // No time at all: whatever keyring there is cannot have answered.
    let opened = open_store(&folder.path().join("secrets"), Duration::ZERO).unwrap();
    assert!(opened.store.place().starts_with("files in"), "{}: {}", opened.store.place(), opened.why);
}
