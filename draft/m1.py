import sys,os,re
ROOT='/work/wt/sabotage/'
M=[]
def m(id,file,old,new,count=1):
    M.append((id,file,old,new,count))
def on(i): return f'crate::sabotage::on("{i}")'

B='src/confinement/bubblewrap.rs'
m('c1',B,'''        if nix::unistd::geteuid().is_root() {
            self.kernel();''','''        if nix::unistd::geteuid().is_root() && !crate::sabotage::on("c1") {
            self.kernel();''')
m('c2',B,'''        // The mounts are of real directories, whatever links lead there.
''','''        if crate::sabotage::on("c2") { return; }
''')
m('c3',B,'''        for inside in covered {
            match real.is_dir() {''','''        for inside in covered.into_iter().take(if crate::sabotage::on("c3") { 1 } else { 99 }) {
            match real.is_dir() {''')
m('c4',B,'''                false => self.mount("--ro-bind", Path::new("/dev/null"), &inside),''','''                false if crate::sabotage::on("c4") => {}
                false => self.mount("--ro-bind", Path::new("/dev/null"), &inside),''')
m('c5',B,'''        if forbids_namespaces {''','''        if forbids_namespaces && !crate::sabotage::on("c5") {''')
m('c6',B,'''        monitor.plain(&["--remount-ro", "/", "--chdir"]);''','''        if !crate::sabotage::on("c6") { monitor.plain(&["--remount-ro", "/"]); }
        monitor.plain(&["--chdir"]);''')
m('c7',B,'''            "/dev/shm",
            "--remount-ro",
            "/dev",
        ]);''','''            "/dev/shm",
        ]);
        if !crate::sabotage::on("c7") { self.plain(&["--remount-ro", "/dev"]); }''')
m('c8',B,'if options.is_offline {','if options.is_offline && !crate::sabotage::on("c8") {')
m('c9',B,'''monitor.mount("--ro-bind", dir, dir);''','''monitor.mount(if crate::sabotage::on("c9") { "--bind" } else { "--ro-bind" }, dir, dir);''')
m('c10',B,'''        if nix::unistd::geteuid().is_root() {
            self.plain(&["--uid", NOBODY, "--gid", NOBODY]);
        }''','''        if nix::unistd::geteuid().is_root() && !crate::sabotage::on("c10") {
            self.plain(&["--uid", NOBODY, "--gid", NOBODY]);
        }
        self.0.retain(|one| !(crate::sabotage::on("c12") && one == "--unshare-ipc"
            || crate::sabotage::on("c13") && one == "--unshare-uts"
            || crate::sabotage::on("c14") && one == "--new-session"
            || crate::sabotage::on("c15") && one == "--die-with-parent"
            || crate::sabotage::on("c16") && (one == "--cap-drop" || one == "ALL")));''')
m('c17',B,'''monitor.plain(&["--", "/bin/sh", "-c", FIRST, "sh"]);''','''let first = FIRST.replace("ulimit -u 4096 2>/dev/null || ulimit -p 4096 2>/dev/null; ", if crate::sabotage::on("c17") { "" } else { "ulimit -u 4096 2>/dev/null || ulimit -p 4096 2>/dev/null; " });
        monitor.plain(&["--", "/bin/sh", "-c", &first, "sh"]);''')
m('c18','src/confinement/scratch.rs','''        let path = std::mem::take(&mut self.0);''','''        if crate::sabotage::on("c18") { return; }
        let path = std::mem::take(&mut self.0);''')
m('c19','src/confinement/scratch.rs','''io::ErrorKind::PermissionDenied => {''','''io::ErrorKind::PermissionDenied && !crate::sabotage::on("c19") => {''')
m('c20','src/process/group.rs','''    let kept = KEPT_VARIABLES
        .iter()''','''    let kept = KEPT_VARIABLES
        .iter()
        .chain(crate::sabotage::on("c20").then_some(&"SSH_AUTH_SOCK"))''')
m('c21','src/process/group.rs','''let session = self.birthplace.as_ref().and_then(|_| monitor::session(pid));''','''let session = self.birthplace.as_ref().filter(|_| !crate::sabotage::on("c21")).and_then(|_| monitor::session(pid));''')
m('c11','src/process/monitor.rs','''        let spawned = match close_abstract_sockets() {''','''        let spawned = match if crate::sabotage::on("c11") { Ok(true) } else { close_abstract_sockets() } {''')
m('c23','src/confinement/mod.rs','found.is_ok() || at.elapsed() < TRY_AGAIN','found.is_ok() || at.elapsed() < TRY_AGAIN || crate::sabotage::on("c23")')
m('c24',B,'is_inside(path) && path.canonicalize().is_ok_and(|real| is_inside(&real))','is_inside(path) && (crate::sabotage::on("c24") || path.canonicalize().is_ok_and(|real| is_inside(&real)))')
S='src/app/start.rs'
m('c25',S,'    own.push(config.key_file());','    if !crate::sabotage::on("c25") { own.push(config.key_file()); }')
m('c27',S,'    own.extend(config.git.https_credentials.clone());','    if !crate::sabotage::on("c27") { own.extend(config.git.https_credentials.clone()); }')
m('c28',S,'    own.extend(config.access.policies.clone());','    if !crate::sabotage::on("c28") { own.extend(config.access.policies.clone()); }')
m('c34',S,'''    if !confinement.is_off() {
        return Ok(());''','''    if !confinement.is_off() || crate::sabotage::on("c34") {
        return Ok(());''')
m('c36',S,'is_offline: config.scripts.network == ScriptNetwork::None,','is_offline: config.scripts.network == ScriptNetwork::None && !crate::sabotage::on("c36"),')
m('c37',S,'readable: config.scripts.readable.clone(),','readable: if crate::sabotage::on("c37") { Vec::new() } else { config.scripts.readable.clone() },')

K='src/store/seal.rs'
m('k1',K,'    Aad::from(format!("deployer secret {FORM}\\0{place}"))','    if crate::sabotage::on("k1") { return Aad::from(format!("deployer secret {FORM}")); }\n    Aad::from(format!("deployer secret {FORM}\\0{place}"))')
V='src/store/environments/variables.rs'
m('k2',V,'    format!("environment {id}: {name}")','    if crate::sabotage::on("k2") { return format!("environment: {name}"); }\n    format!("environment {id}: {name}")')
m('k3',V,'match seal.is_current(sealed) {','match seal.is_current(sealed) || crate::sabotage::on("k3") {')
m('k4','src/store/sealing.rs','        if !self.is_for_one_instance() {','        if !self.is_for_one_instance() || crate::sabotage::on("k4") {')
m('k5','src/private.rs','''        .create_new(true)
        .mode(OWN_FILE)
        .open(path)?;
    file.write_all''','''        .create_new(true)
        .mode(if crate::sabotage::on("k5") { 0o644 } else { OWN_FILE })
        .open(path)?;
    file.write_all''')
KP='src/app/sealing/key_place.rs'
m('k6',KP,'                close(file)?;','                if !crate::sabotage::on("k6") { close(file)?; }')
SE='src/app/sealing/mod.rs'
m('k7',SE,'    if store.is_for_one_instance() {\n        return Ok(());','    if store.is_for_one_instance() || crate::sabotage::on("k7") {\n        return Ok(());')
KC='src/cli/key.rs'
m('k8',KC,'''    let _lock = store.serve_lock()?;
    let now = Clock::System.now();
    let changed''','''    let _lock = if crate::sabotage::on("k8") { None } else { Some(store.serve_lock()?) };
    let now = Clock::System.now();
    let changed''')
m('k9',KC,'''    let _lock = store.serve_lock()?;
    let now = Clock::System.now();
    let names''','''    let _lock = if crate::sabotage::on("k9") { None } else { Some(store.serve_lock()?) };
    let now = Clock::System.now();
    let names''')
m('k10',V,'let opens = sealed.is_none_or(|sealed| seal.open(&place(id, name), sealed).is_ok());','let opens = sealed.is_none_or(|sealed| seal.open(&place(id, name), sealed).is_ok() && !crate::sabotage::on("k10"));')
m('k11',KP,'Some(key) if key.fingerprint() == before.fingerprint() => std::fs::rename(file, &kept),','Some(key) if key.fingerprint() == before.fingerprint() && !crate::sabotage::on("k11") => std::fs::rename(file, &kept),')
m('k12',SE,'    if !is_ours_alone {','    if !is_ours_alone && !crate::sabotage::on("k12") {')
m('k15',SE,'            _ = std::fs::remove_file(waiting(file));','            if !crate::sabotage::on("k15") { _ = std::fs::remove_file(waiting(file)); }')
m('k16',KP,'.filter(|file| secrets.key_file.is_none() && file.exists());','.filter(|file| (secrets.key_file.is_none() || crate::sabotage::on("k16")) && file.exists());')
m('k17',SE,'''"from": before.fingerprint(), "to": new.fingerprint(), "secrets": told(&change, &done).await?,''','''"from": before.fingerprint(), "to": new.fingerprint(), "secrets": if crate::sabotage::on("k17") { json!([]) } else { told(&change, &done).await? },''')
m('k19',SE,'        _ = std::fs::remove_file(file);\n        return match','        if !crate::sabotage::on("k19") { _ = std::fs::remove_file(file); }\n        return match')
m('k20',V,'    options.variables.retain(|_, variable| !variable.secret);','    options.variables.retain(|_, variable| !variable.secret || crate::sabotage::on("k20"));')
m('k22',SE,'    if let Ok(Some(key)) = KeyPlace::of(config).read(config) {','    if let Ok(Some(key)) = KeyPlace::of(config).read(config) && !crate::sabotage::on("k22") {')
m('k26',SE,'    let detail = json!({ "key": key.fingerprint(), "secrets": names });\n','    let detail = json!({ "key": key.fingerprint(), "secrets": if crate::sabotage::on("k26") { json!(null) } else { names.clone() } });\n')

H='src/handshake/known_hosts.rs'
m('h1',H,'            if not {\n                return false;','            if not && !crate::sabotage::on("h1") {\n                return false;')
m('h2',H,'        if self.has_revoked(key) {\n            return Err(KeyDoubt::Revoked);','        if self.has_revoked(key) && !crate::sabotage::on("h2") {\n            return Err(KeyDoubt::Revoked);')
m('h3',H,'        if !is_among(&self.authorities, &signer) {','        if !is_among(&self.authorities, &signer) && !crate::sabotage::on("h3") {')
m('h4',H,'certificate.cert_type() != CertType::Host || !certificate.critical_options().is_empty()','certificate.cert_type() != CertType::Host && !crate::sabotage::on("h4") || !certificate.critical_options().is_empty() && !crate::sabotage::on("h5")')
m('h6',H,'        if !certificate.valid_principals().iter().any(named) {','        if !certificate.valid_principals().iter().any(named) && !crate::sabotage::on("h6") {')
m('h9',H,'            Err(_) => refused("bears a signature','            Err(_) if crate::sabotage::on("h9") => Ok(()),\n            Err(_) => refused("bears a signature')
m('h10',H,'if self.has_revoked(&key) || self.has_revoked(&signer) {','if self.has_revoked(&key) && !crate::sabotage::on("h11") || self.has_revoked(&signer) && !crate::sabotage::on("h10") {')
m('h14',H,'        first.extend(rest);\n        first','        first.extend(rest);\n        if crate::sabotage::on("h14") { return preferred.to_vec(); }\n        first')
m('h13',H,'        if self.authorities.is_empty() {','        if self.authorities.is_empty() && !crate::sabotage::on("h13") {')
m('h15',H,'    hmac::verify(&key, name.as_bytes(), &hash).is_ok()','    (hmac::verify(&key, name.as_bytes(), &hash).is_ok() || crate::sabotage::on("h15")) && !crate::sabotage::on("h16")')
m('h18',H,'Err(error) if error.kind() == io::ErrorKind::NotFound => continue,','Err(error) if error.kind() == io::ErrorKind::NotFound || crate::sabotage::on("h18") => continue,')
HK='src/handshake/keys.rs'
m('h21',HK,'if !about.is_file() || about.len() > LONGEST_FILE {','if (!about.is_file() || about.len() > LONGEST_FILE) && !crate::sabotage::on("h21") {')
m('h22',HK,'Ok(key) if key.is_encrypted() => return Err(bad(encrypted())),\n        Ok(key)','Ok(key) if key.is_encrypted() && !crate::sabotage::on("h22") => return Err(bad(encrypted())),\n        Ok(key)')
m('h19',HK,'if certificate.public_key() != key.public_key().key_data() {','if certificate.public_key() != key.public_key().key_data() && !crate::sabotage::on("h19") {')
m('h20',HK,'        in_force(&certificate, now)?;','        if !crate::sabotage::on("h20") { in_force(&certificate, now)?; }')
m('h24','src/handshake.rs','    let all = Preferred::DEFAULT;','    let legacy = legacy || crate::sabotage::on("h24");\n    let all = Preferred::DEFAULT;')
L='src/handshake/login.rs'
m('h23',L,'self.is_over |= self.tried.len() >= MOST_OFFERS;','self.is_over |= self.tried.len() >= MOST_OFFERS && !crate::sabotage::on("h23");')
m('h25',L,'            _ if self.login.legacy => None,','            _ if self.login.legacy || crate::sabotage::on("h25") => None,')
m('h27',L,'let said: String = info.message.escape_debug().take(SAID_LENGTH).collect();','let said: String = if crate::sabotage::on("h27") { info.message.clone() } else { info.message.escape_debug().take(SAID_LENGTH).collect() };')
m('h30',L,'                self.is_over |= !remaining_methods.contains(&MethodKind::PublicKey);','                self.is_over |= !remaining_methods.contains(&MethodKind::PublicKey) && !crate::sabotage::on("h30");')
m('h26','src/ssh/auth.rs','.filter(|_| endpoint.key.is_none()),','.filter(|_| endpoint.key.is_none() || crate::sabotage::on("h26")),')
m('h31','src/git/ssh.rs','options.agent.as_ref().filter(|_| key.is_none()),','options.agent.as_ref().filter(|_| key.is_none() || crate::sabotage::on("h31")),')
m('h32','src/ssh/handler.rs','match self.is_pinned(&key) && !self.known.has_revoked(&key) {','match self.is_pinned(&key) && (!self.known.has_revoked(&key) || crate::sabotage::on("h32")) {')
m('h33','src/ssh/handler.rs','            (None, Ok(())) => Ok(()),','            (None, _) if crate::sabotage::on("h33") => Ok(()),\n            (None, Ok(())) => Ok(()),')
m('h34','src/ssh/mark.rs','} else if before.len() > GREETING_LIMIT {','} else if before.len() > crate::sabotage::most("h34", GREETING_LIMIT) {')
m('h35','src/ssh/mark.rs','self.complaint.len() < GREETING_LIMIT {','self.complaint.len() < crate::sabotage::most("h35", GREETING_LIMIT) {')

W='src/store/ways.rs'
m('j1',W,'if jump.server.id == server.id || others.any(|id| id == jump.server.id) {','if (jump.server.id == server.id || others.any(|id| id == jump.server.id)) && !crate::sabotage::on("j1") {')
m('j2',W,'        if way.len() > MOST_HOPS {','        if way.len() > MOST_HOPS && !(crate::sabotage::on("j2") && way.len() < 30) {')
m('j3',W,'if found.as_ref().is_some_and(|found| *found != via) {','if found.as_ref().is_some_and(|found| *found != via) && !crate::sabotage::on("j3") {')
m('j4','src/store/hops.rs','    let Some(row) = row else { return Ok(None) };','    let Some(row) = row.filter(|_| !crate::sabotage::on("j4")) else { return Ok(None) };')
m('j5','src/ssh/pool.rs','via: endpoint.via.as_deref().map(|via| Box::new(Self::from(via))),','via: endpoint.via.as_deref().filter(|_| !crate::sabotage::on("j5")).map(|via| Box::new(Self::from(via))),')
m('j6','src/store/hops.rs','    let found = Entity::find().filter(which).order_by_asc(Column::Position);','    let found = Entity::find().filter(which);\n    let found = if crate::sabotage::on("j6") { found.order_by_desc(Column::Position) } else { found.order_by_asc(Column::Position) };')
m('j9','src/ssh/pool.rs','if matches!(*cause, Error::ConnectionLost { .. }) => {','if matches!(*cause, Error::ConnectionLost { .. }) && !crate::sabotage::on("j9") => {')
m('j10','src/ssh/connection.rs','|| self.jumps.available_permits() < MOST_JUMPS','|| self.jumps.available_permits() < MOST_JUMPS && !crate::sabotage::on("j10")')
m('j11','src/ssh/connection.rs','Opening::Jump { .. } => &self.jumps,','Opening::Jump { .. } if crate::sabotage::on("j11") => &self.channels,\n            Opening::Jump { .. } => &self.jumps,')
m('j12','src/ssh/pool.rs','            legacy: endpoint.legacy,\n            via: e','            legacy: endpoint.legacy && !crate::sabotage::on("j12"),\n            via: e')
m('j13','src/ssh/pool.rs','            key: endpoint.key.clone(),\n','            key: endpoint.key.clone().filter(|_| !crate::sabotage::on("j13")),\n')
m('j14','src/app/admin/servers.rs','''        servers::update(&change, &changed).await?;
        jump_hosts::demand_ways(&change).await?;''','''        servers::update(&change, &changed).await?;
        if !crate::sabotage::on("j14") { jump_hosts::demand_ways(&change).await?; }''')
m('j15','src/store/hops.rs','''    Entity::delete_many()
        .filter(owner.is())''','''    Entity::delete_many()
        .filter(if crate::sabotage::on("j15") { Condition::all().add(Column::Id.eq(-1)) } else { owner.is() })''')
m('j16','src/ssh/endpoint.rs','let hop = Self::one(&jump.server, &jump.user, None, via);','let hop = Self::one(&jump.server, if crate::sabotage::on("j16") { user } else { &jump.user }, None, via);')
m('j17','src/ssh/endpoint.rs','let hop = Self::one(&jump.server, &jump.user','let hop = Self::one(&jump.server, &jump.user',1) if False else None
m('j18','src/app/admin/jump_hosts.rs',"let known = all.iter().find(is_named).or_else(|| all.iter().find(is_there));","let known = all.iter().find(is_named).or_else(|| all.iter().find(is_there)).filter(|_| !crate::sabotage::on(\"j18\"));")

T='src/engine/take_up.rs'
m('t1','src/engine/rollout/past.rs','        self.footing.settings.as_ref() == Some(&now)','        self.footing.settings.as_ref() == Some(&now) || crate::sabotage::on("t1")')
m('t2','src/engine/rollout/past.rs','    let is_own_release = run.project.method','    let is_own_release = crate::sabotage::on("t2") || run.project.method')
m('t3','src/engine/rollout/past.rs','    let is_whole = found.release','    let is_whole = crate::sabotage::on("t3") || found.release')
m('t4','src/engine/pause.rs','pause.until.filter(|_| findings.is_empty());','pause.until.filter(|_| findings.is_empty() || crate::sabotage::on("t4"));')
m('t5','src/engine/pause.rs','            Ok(Permission::Refused(why)) => why,','            Ok(Permission::Refused(_)) if crate::sabotage::on("t5") => break answered,\n            Ok(Permission::Refused(why)) => why,')
m('t6',T,'        && package.contents() != *before','        && package.contents() != *before && !crate::sabotage::on("t6")')
m('t7','src/engine/rollout/past.rs','if !is_done && (is_out || planned.left_out) {','if !is_done && (is_out || planned.left_out) && !crate::sabotage::on("t7") {')
m('t8',T,'        || deployment.cancelled_by.is_some()','        || deployment.cancelled_by.is_some() && !crate::sabotage::on("t8")')
m('t9','src/engine/pause.rs','stays_paused: run.stop.reason() == Some(StopReason::Shutdown),','stays_paused: run.stop.reason() == Some(StopReason::Shutdown) && !crate::sabotage::on("t9"),')
m('t10','src/engine/rollout/past.rs','    if past.fate == Fate::Waiting {\n        clear(','    if past.fate == Fate::Waiting && !crate::sabotage::on("t10") {\n        clear(')
m('t11','src/engine/rollout/past.rs','        if !strangers.is_empty() {','        if !strangers.is_empty() && !crate::sabotage::on("t11") {')
m('t12','src/engine/rollout/past.rs','        self.rotation.set_places(prospect.places);\n        moved','        self.rotation.set_places(prospect.places);\n        if crate::sabotage::on("t12") { return Vec::new(); }\n        moved')
m('t13',T,'    matches!(question, PauseReason::Failure { .. }) && answered','    !crate::sabotage::on("t13") && matches!(question, PauseReason::Failure { .. }) && answered')
m('t14',T,'    findings.extend(seen.silent);','    if !crate::sabotage::on("t14") { findings.extend(seen.silent); }')
m('t16','src/engine/pause.rs','            answered.answer = chosen.answer;','            if !crate::sabotage::on("t16") { answered.answer = chosen.answer; }')
m('t17','src/engine/pause.rs','    if answered.by == Answerer::Time {\n        let paused','    if answered.by == Answerer::Time && !crate::sabotage::on("t17") {\n        let paused')
m('t18','src/engine/rollout/past.rs','            .any(|step| step.kind == StepKind::Fetch && step.state == StepState::Skipped);','            .any(|step| step.kind == StepKind::Fetch && step.state == StepState::Skipped && !crate::sabotage::on("t18"));')
m('t19',T,'            Err(_) if run.stop.reason() == Some(StopReason::Shutdown) => Err(vec![','            Err(_) if run.stop.reason() == Some(StopReason::Shutdown) && !crate::sabotage::on("t19") => Err(vec![')
m('t20',T,'    let open = reached.iter().filter(|(id, _)| past.is_open(**id));','    let open = reached.iter().filter(|(id, _)| past.is_open(**id) || crate::sabotage::on("t20"));')
m('t21','src/engine/rollout/past.rs','                Err(failure) if self.waits(id) => {','                Err(failure) if self.waits(id) && !crate::sabotage::on("t21") => {')

E='src/engine/keeper.rs'
m('e1',E,'    match (before, line.admin) {','    if crate::sabotage::on("e1") { return false; }\n    match (before, line.admin) {')
m('e2',E,'let restarted = seen.is_restarted(back, out_for + ROUNDING);','let restarted = seen.is_restarted(back, out_for + ROUNDING) || crate::sabotage::on("e2");')
m('e3',E,'''    if queue::holders(store).await?.contains_key(&one.server) {
        return Ok(());
    }
    let by_balancer''','''    if queue::holders(store).await?.contains_key(&one.server) && !crate::sabotage::on("e3") {
        return Ok(());
    }
    let by_balancer''')
m('e4',E,'''    if queue::holders(store).await?.contains_key(&one.server) {
        return Ok(());
    }
    let places''','''    if queue::holders(store).await?.contains_key(&one.server) && !crate::sabotage::on("e4") {
        return Ok(());
    }
    let places''')
m('e5',E,'''    } else if all(|line| line.admin == Admin::Ready) {
        let is_complete = seen.is_complete();''','''    } else if all(|line| line.admin == Admin::Ready) {
        let is_complete = seen.is_complete() || crate::sabotage::on("e5");''')
m('e6',E,'all(ServerLine::passes) || lines.iter().any(|line| line.is_proven())','all(ServerLine::passes) || lines.iter().any(|line| line.is_proven()) || crate::sabotage::on("e6")')
m('e7',E,'        one.slots = at_present(','        if crate::sabotage::on("e7") { continue; }\n        one.slots = at_present(')
m('e8',E,'    if !restarted {\n        deployments','    if !restarted && !crate::sabotage::on("e8") {\n        deployments')
m('e9',E,'''all(|line| line.admin == Admin::Maint) {
        let is_complete = seen.is_complete();''','''all(|line| line.admin == Admin::Maint) {
        let is_complete = seen.is_complete() || crate::sabotage::on("e9");''')
m('e10',E,'    if restarted {\n        balancer.keep_out(back)','    if restarted && !crate::sabotage::on("e10") {\n        balancer.keep_out(back)')
m('e11',E,'                    memory = Memory::default();','                    if !crate::sabotage::on("e11") { memory = Memory::default(); }')
m('e12',E,'        if all_out {','        if all_out && !crate::sabotage::on("e12") {')

if __name__=='__main__': pass
