//! Between the approval and the click: the pixels change in that very gap, on a real desktop.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail, ensure};
use mz_desktop::{Desktop, DesktopSpec, Frame, Limits, ProcessRuntime, Program, Runtime};
use mz_engine::{DispatchError, Dispatcher, Judged, Sent};
use mz_gate::{Decided, Facts, Gate, GateConfig, Permit, Policy, Proposed, Unredeemed, open_store};
use mz_protocol::{
    Action, ApprovalId, ApprovalRequest, Decision, DecisionKind, DepartmentId, Digest, Effect, Millis, PersonId, Proposal,
    Rect, Risk, RoleId, Size, TextClass, Timestamp, VoidReason, WorkerId,
};
use mz_scene::digest;
use mz_tests::{PATIENCE, person};

const SAVES: &str = r#"
@id("test.save")
@effect("approve")
@why("a person looks at what is saved")
permit (principal, action == Action::"key", resource)
when { context.chord == "ctrl+s" };
"#;
const FILE: &str = "note.txt";
/// How long the person looks at the picture, by the gate's clock.
const LOOKED: Millis = Millis(600);

struct Bay {
    desktop: Arc<dyn Desktop>,
    dispatcher: Dispatcher,
    gate: Gate,
    policy: Policy,
    worker: WorkerId,
    department: DepartmentId,
    /// How far the gate's clock runs ahead of the wall's: what the person's looking has taken.
    looked: Millis,
    _folder: tempfile::TempDir,
}

impl Drop for Bay {
    fn drop(&mut self) {
        self.desktop.stop();
    }
}

impl Bay {
    /// Never backwards: the gate refuses a decision that comes sooner after its picture than a person can read.
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(since.as_millis() as i64).plus(self.looked)
    }

    /// A desktop with an editor open on a file.
    fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mz-").tempdir()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        let (worker, department) = (WorkerId::new("nina")?, DepartmentId::new("office")?);
        let editor = ["geany", "-i", "{args}"].map(str::to_owned).to_vec();
        let spec = DesktopSpec {
            worker: worker.clone(),
            number: 0,
            size: Size::DESKTOP,
            home: folder.path().join("home"),
            run_dir: folder.path().join("run"),
            programs: vec![Program { name: "Geany".to_owned(), command: editor, package: "geany".to_owned() }],
            limits: Limits::default(),
            proxy: None,
            env: Vec::new(),
        };
        let (desktop, hand) = ProcessRuntime::open()?.start(spec)?;
        let desktop: Arc<dyn Desktop> = Arc::from(desktop);
        let secrets = open_store(&folder.path().join("secrets"), Duration::from_secs(2))?;
        let dispatcher = Dispatcher::new(worker.clone(), hand, Arc::clone(&desktop), Arc::from(secrets.store), Arc::default());
        let mut gate = Gate::new(GateConfig::default());
        gate.enrol(&worker, &department);
        let bay = Self {
            desktop,
            dispatcher,
            gate,
            policy: Policy::load(SAVES)?,
            worker,
            department,
            looked: Millis(0),
            _folder: folder,
        };
        bay.desktop.launch("Geany", &[FILE.to_owned()])?;
        bay.until_window(FILE)?;
        Ok(bay)
    }

    /// Waits until a window with this title is there and the screen stands still.
    fn until_window(&self, title: &str) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !self.desktop.tree(PATIENCE)?.windows.iter().any(|window| window.title.contains(title)) {
            ensure!(Instant::now() < deadline, "no window {title:?} opened");
            std::thread::park_timeout(Duration::from_millis(50));
        }
        let mut frame = self.desktop.frames().latest();
        while let Some(newer) = self.desktop.frames().wait_newer(frame.seq, Duration::from_millis(500)) {
            ensure!(Instant::now() < deadline, "the screen does not stand still");
            frame = newer;
        }
        Ok(())
    }

    fn propose(&mut self, action: Action) -> anyhow::Result<(Proposal, Proposed)> {
        let region = Rect::new(0, 0, Size::DESKTOP.width, Size::DESKTOP.height);
        let frame = self.dispatcher.screenshot()?;
        let proposal = Proposal {
            worker: self.worker.clone(),
            role: RoleId::new("clerk")?,
            department: self.department.clone(),
            order: None,
            action,
            application: "Geany".to_owned(),
            window_title: FILE.to_owned(),
            host: None,
            target_role: None,
            target_name: String::new(),
            region,
            screen_digest: seen(&frame, region),
            scene_version: 1,
            effect: Effect::None,
            text_class: TextClass::empty(),
            line: None,
            amount_cents: None,
            risk: Risk::Low,
            reason: None,
        };
        let step = self.gate.propose(self.now(), proposal.clone(), &Facts::default(), &self.policy);
        Ok((proposal, step.result))
    }

    fn approved_save(&mut self) -> anyhow::Result<Box<ApprovalRequest>> {
        let Proposed::Waiting(request) = self.propose(Action::Key { chord: "Ctrl+S".parse()? })?.1 else {
            bail!("nobody is asked")
        };
        let by: PersonId = person("manager")?;
        let _shown = self.gate.shown(self.now(), &request.id, &by).events;
        self.looked = Millis(self.looked.0 + LOOKED.0);
        let decision = Decision {
            approval: request.id.clone(),
            binding: request.binding,
            kind: DecisionKind::Approve,
            by,
            note: None,
            looked: LOOKED,
        };
        let step = self.gate.decide(self.now(), decision);
        ensure!(step.result == Decided::Approved, "{:?}", step.result);
        Ok(request)
    }

    /// As the engine does it: what the frozen screen shows now must be what was approved.
    fn redeem(&mut self, request: &ApprovalRequest) -> anyhow::Result<Result<Permit, Unredeemed>> {
        self.desktop.freeze()?;
        let frame = self.dispatcher.screenshot()?;
        let screen = seen(&frame, request.proposal.region);
        let result = self.gate.redeem(self.now(), &request.id, &request.proposal.action, screen).result;
        self.desktop.thaw()?;
        Ok(result)
    }

    fn is_saved(&self) -> bool {
        self.desktop.get_file(FILE).is_ok_and(|bytes| !bytes.is_empty())
    }
}

fn seen(frame: &Frame, region: Rect) -> Digest {
    digest(&frame.pixels, frame.size, region)
}

fn judged(proposal: &Proposal) -> Judged<'_> {
    Judged { action: &proposal.action, screen: proposal.screen_digest, region: proposal.region }
}

#[test]
fn pixels_swapped_after_the_approval() -> anyhow::Result<()> {
    let mut bay = Bay::new()?;
    let request = bay.approved_save()?;
    bay.desktop.launch("Geany", &["other.txt".to_owned()])?;
    bay.until_window("other.txt")?;
    let refused = bay.redeem(&request)?;
    ensure!(matches!(refused, Err(Unredeemed::Void(VoidReason::ScreenChanged))), "{refused:?}");
    // Void stays void, whatever the screen shows then.
    let again = bay.redeem(&request)?;
    ensure!(matches!(again, Err(Unredeemed::Void(VoidReason::ScreenChanged))), "{again:?}");
    ensure!(!bay.is_saved(), "it was saved all the same");
    Ok(())
}

#[test]
fn one_permit_for_one_action_on_one_screen() -> anyhow::Result<()> {
    let mut bay = Bay::new()?;
    let typing = Action::Type { text: mz_protocol::TypedText::Plain("Hello".to_owned()) };
    let (proposal, Proposed::Allowed(permit)) = bay.propose(typing.clone())? else { bail!("typing here needs no approval") };
    ensure!(matches!(bay.dispatcher.send(permit, judged(&proposal))?, Sent::Whole), "the word was cut");
    bay.until_window(FILE)?;
    let request = bay.approved_save()?;
    let permit = bay.redeem(&request)?.context("the screen had not changed")?;
    let twice = bay.redeem(&request)?;
    ensure!(matches!(twice, Err(Unredeemed::Used)), "{twice:?}");
    // The permit is good for no other action, and is used up by the attempt.
    let other = Judged { action: &typing, ..judged(&request.proposal) };
    let sent = bay.dispatcher.send(permit, other);
    ensure!(matches!(sent, Err(DispatchError::WrongPermit)), "{sent:?}");
    let unknown = bay.gate.redeem(bay.now(), &ApprovalId::new("AP-0099")?, &typing, Digest::ZERO).result;
    ensure!(matches!(unknown, Err(Unredeemed::Unknown(_))), "{unknown:?}");
    ensure!(!bay.is_saved(), "it was saved with another action's permit");

    let request = bay.approved_save()?;
    let permit = bay.redeem(&request)?.context("the screen had not changed")?;
    bay.dispatcher.send(permit, judged(&request.proposal))?;
    let deadline = Instant::now() + PATIENCE;
    while !bay.is_saved() {
        ensure!(Instant::now() < deadline, "what was approved was not done");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}

#[test]
fn nothing_is_drawn_between_the_look_and_the_press() -> anyhow::Result<()> {
    let bay = Bay::new()?;
    let everywhere = Size::DESKTOP.rect();
    bay.dispatcher.hold_screen()?;
    let before = seen(&bay.dispatcher.screenshot()?, everywhere);
    bay.desktop.launch("Geany", &["other.txt".to_owned()])?;
    let until = Instant::now() + Duration::from_millis(1500);
    while Instant::now() < until {
        ensure!(seen(&bay.dispatcher.screenshot()?, everywhere) == before, "a program drew on a screen that was held");
    }
    bay.dispatcher.let_screen_go();
    // The same program can draw once the screen is let go: it was the hold that kept it from that.
    bay.until_window("other.txt")?;
    ensure!(seen(&bay.dispatcher.screenshot()?, everywhere) != before, "the screen still is as it was");
    Ok(())
}
