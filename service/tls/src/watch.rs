//! Files that change without a signal, as where they are mounted from a secret.

use std::time::Duration;

use crate::Fingerprint;

/// How often the files are looked at: certificates are renewed days before they expire, and a file that is mounted
/// anew is there within a minute.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Files in use that may change.
pub trait Watched: Sync {
    /// What is in the files now; `None` where one cannot be read.
    fn look(&self) -> impl Future<Output = Option<Fingerprint>> + Send;
    /// What was in those that are in use.
    fn in_use(&self) -> Fingerprint;
    /// Reads them and puts them into use, or says what is wrong with them. Not called again until they change once
    /// more.
    fn take_over(&self) -> impl Future<Output = ()> + Send;
}

/// Looks at files for ever and has them taken over when they changed and are not those in use.
pub async fn watch(files: &impl Watched) {
    let mut seen = Some(files.in_use());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = files.look().await;
        if now != seen && now != Some(files.in_use()) {
            files.take_over().await;
        }
        seen = now;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::{Path, PathBuf},
        sync::{Mutex, atomic::AtomicU32, atomic::Ordering},
    };

    use super::*;
    use crate::PemFile;

    struct OneFile {
        path: PathBuf,
        in_use: Mutex<Fingerprint>,
        taken: AtomicU32,
    }

    async fn fingerprint(path: &Path) -> Option<Fingerprint> {
        PemFile::read("File", path).await.ok().map(|file| Fingerprint::of([Some(&file)]))
    }

    impl OneFile {
        fn write(&self, text: &str) {
            std::fs::write(&self.path, text).unwrap();
        }

        fn taken(&self) -> u32 {
            self.taken.load(Ordering::Relaxed)
        }
    }

    impl Watched for OneFile {
        async fn look(&self) -> Option<Fingerprint> {
            fingerprint(&self.path).await
        }

        fn in_use(&self) -> Fingerprint {
            *self.in_use.lock().unwrap()
        }

        /// As when the new file cannot be used: what was in use stays in use.
        async fn take_over(&self) {
            self.taken.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_changed_is_taken_over_once_and_what_is_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (path, nothing) = (folder.path().join("file"), Fingerprint::of([]));
        let file = OneFile { path, in_use: Mutex::new(nothing), taken: AtomicU32::new(0) };
        file.write("one");
        *file.in_use.lock().unwrap() = file.look().await.unwrap();
        let changes = async {
            let after_some_looks = async || tokio::time::sleep(3 * LOOK_EVERY).await;
            after_some_looks().await;
            assert_eq!(file.taken(), 0, "nothing changed");
            file.write("two");
            after_some_looks().await;
            assert_eq!(file.taken(), 1, "once, until it changes again");
            std::fs::remove_file(&file.path).unwrap();
            after_some_looks().await;
            // Written, and taken over by somebody else before the next look.
            let elsewhere = folder.path().join("elsewhere");
            std::fs::write(&elsewhere, "three").unwrap();
            let three = fingerprint(&elsewhere).await.unwrap();
            file.write("three");
            *file.in_use.lock().unwrap() = three;
            after_some_looks().await;
            assert_eq!(file.taken(), 2, "a file that is gone is a change, one in use is none");
        };
        tokio::select! {
            () = watch(&file) => unreachable!("it watches for ever"),
            () = changes => {}
        }
    }
}
