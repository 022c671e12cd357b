exec(open('/tmp/sab/m1.py').read().split("if __name__")[0])
D='src/git/lfs/download.rs'
P='src/git/lfs/mod.rs'
m('l1',P,'if pointer.size > limit {','if pointer.size > crate::sabotage::most("l1", limit) {')
m('l2',P,'if whole > options.lfs_project_limit {','if whole > crate::sabotage::most("l2", options.lfs_project_limit) {')
m('l3',D,'            false => Guard::public_and(Vec::new()),','            false if crate::sabotage::on("l3") => Guard::open(),\n            false => Guard::public_and(Vec::new()),')
m('l4',D,'if place(&next) != place(&url) {','if place(&next) != place(&url) && !crate::sabotage::on("l4") {')
m('l5',D,'                && place(&url) == place(&self.base)','                && (place(&url) == place(&self.base) || crate::sabotage::on("l5"))')
m('l6',D,'if !OURS.contains(&name) {','if !OURS.contains(&name) || crate::sabotage::on("l6") {')
m('l8',D,'.filter(|url| url.scheme() == "https" && url.username().is_empty() && url.password().is_none());','.filter(|url| url.scheme() == "https" && (url.username().is_empty() && url.password().is_none() || crate::sabotage::on("l8")));')
m('l10',D,'        for _ in 0..TURNS {','        for _ in 0..(if crate::sabotage::on("l10") { 60 } else { TURNS }) {')
m('l25',D,'            .filter(|_| headers.is_empty());','            .filter(|_| headers.is_empty() || crate::sabotage::on("l25"));')
m('l17',D,'let next = self.address(next.as_str(), path)?;','let next = if crate::sabotage::on("l17") { next } else { self.address(next.as_str(), path)? };')
C='src/git/lfs/cache.rs'
m('l7',C,'        if hex::encode(self.sum.clone().finalize()) != self.pointer.oid {','        if hex::encode(self.sum.clone().finalize()) != self.pointer.oid && !crate::sabotage::on("l7") {')
m('l12',C,'        if bytes == pointer.size && sum == pointer.oid {','        if bytes == pointer.size && sum == pointer.oid || crate::sabotage::on("l12") {')
m('l13',C,'        objects.sort_by_key(|object| object.used);','        objects.sort_by_key(|object| object.used);\n        if crate::sabotage::on("l13") { objects.reverse(); }')
m('l14',C,'found.is_file() && found.len() == pointer.size','found.is_file() && (found.len() == pointer.size || crate::sabotage::on("l14"))')
m('l15',C,'        if is_whole\n            && let Err','        if is_whole && !crate::sabotage::on("l15")\n            && let Err')
m('l16',P,'            if cancel.is_cancelled() {','            if cancel.is_cancelled() && !crate::sabotage::on("l16") {')
m('l18',D,'if whole.len() + data.len() > ANSWER_BYTES {','if whole.len() + data.len() > crate::sabotage::most("l18", ANSWER_BYTES) {')
G='src/git/contents.rs'
m('l27',G,'        if seen >= SUBMODULES {','        if seen >= crate::sabotage::most("l27", SUBMODULES) {')
m('l28',G,'        if next.depth == DEPTH {','        if next.depth == if crate::sabotage::on("l28") { 12 } else { DEPTH } {')
m('l30',G,'            lfs::check_sizes(all, &mirror.inner.options)?;','            if !crate::sabotage::on("l30") { lfs::check_sizes(all, &mirror.inner.options)?; }')
m('l32',G,'''            url.demand_below(&options.local_directories)
                .map_err(''','''            if !crate::sabotage::on("l32") { url.demand_below(&options.local_directories) } else { Ok(()) }
                .map_err(''') if False else None
m('l33',G,'match cancel.run_until_cancelled(timeout(limit, work)).await {','match cancel.run_until_cancelled(timeout(crate::sabotage::most("l33", limit), work)).await {')
m('l34',G,'    if mirror.commit(commit).await.is_ok() {','    if mirror.commit(commit).await.is_ok() && !crate::sabotage::on("l34") {')
m('l35',G,'        return mirror.inner.mark_fetched();','        return if crate::sabotage::on("l35") { Ok(()) } else { mirror.inner.mark_fetched() };')
m('l36',G,'            part.mirror.keep(&part.commit).await?;','            part.mirror.keep(&part.commit).await?;\n            if crate::sabotage::on("l36") { break; }')
SV='src/git/survey.rs'
m('l21',SV,'if found.lfs.len() < LFS_FILES => {','if found.lfs.len() < crate::sabotage::most("l21", LFS_FILES) => {')
m('l22','src/git/attributes.rs','} else if rules.len() < MOST_RULES {','} else if rules.len() < crate::sabotage::most("l22", MOST_RULES) {')
m('l23',SV,'b".gitattributes", ATTRIBUTES_BYTES)?','b".gitattributes", crate::sabotage::most("l23", ATTRIBUTES_BYTES))?')
m('l24','src/git/attributes.rs','pattern.len() > PATTERN_BYTES {','pattern.len() > crate::sabotage::most("l24", PATTERN_BYTES) {')
m('l26','src/git/ssh.rs','AUTHENTICATE_BYTES.saturating_sub','crate::sabotage::most("l26", AUTHENTICATE_BYTES).saturating_sub')
m('l29',SV,'if self.submodules.len() == SUBMODULES {','if self.submodules.len() == crate::sabotage::most("l29", SUBMODULES) {')
m('l31',SV,'b".gitmodules", SETTINGS_BYTES)?','b".gitmodules", crate::sabotage::most("l31", SETTINGS_BYTES))?')
m('l37',SV,'b".lfsconfig", SETTINGS_BYTES)?','b".lfsconfig", crate::sabotage::most("l37", SETTINGS_BYTES))?')
m('l38','src/git/lfs/place.rs','.and_then(|url| demand_near(remote, &url, &options.other_hosts).map(|()| url))','.and_then(|url| if crate::sabotage::on("l38") { Ok(url) } else { demand_near(remote, &url, &options.other_hosts).map(|()| url) })')
m('l39','src/git/https.rs','        for _ in 0..TURNS {','        for _ in 0..(if crate::sabotage::on("l39") { 60 } else { TURNS }) {')
m('l40','src/git/survey.rs','        if !extras.submodules {\n            return Err','        if !extras.submodules && !crate::sabotage::on("l40") {\n            return Err')
# masking
A='src/engine/mask.rs'
m('m1',A,'                encoded.extend(base64_of(line));','                if !crate::sabotage::on("m1") { encoded.extend(base64_of(line)); }')
m('m2',A,'            encoded.extend(base64_of(secret.trim_end()));','            if !crate::sabotage::on("m2") { encoded.extend(base64_of(secret.trim_end())); }')
m('m3',A,'        for reading in readings(line) {','        for reading in readings(line).into_iter().filter(|_| !crate::sabotage::on("m3")) {')
m('m4',A,'        hidden.extend(self.0.encoded.cut_by_line_end(line, wrapped));','        if !crate::sabotage::on("m4") { hidden.extend(self.0.encoded.cut_by_line_end(line, wrapped)); }')
m('m5','src/engine/lines.rs','    let at = mask.uncut(&as_long(&line[..seen]), at);','    let at = if crate::sabotage::on("m5") { at } else { mask.uncut(&as_long(&line[..seen]), at) };')
m('m6','src/engine/output.rs','gathered.add(Stream::Info, &self.log.mask.apply(part));','gathered.add(Stream::Info, &if crate::sabotage::on("m6") { part.into() } else { self.log.mask.apply(part) });')
m('m7',A,'Self::new(own.chain(more.iter().map(String::as_str)))','Self::new(own.chain(more.iter().filter(|_| !crate::sabotage::on("m7")).map(String::as_str)))')
m('m8','src/engine/output.rs','        self.mask.apply(text).into_owned()','        if crate::sabotage::on("m8") { return text.to_owned(); }\n        self.mask.apply(text).into_owned()')
m('m9','src/engine/lines.rs','while self.pending.len() > LONGEST_LINE + mask.reach() {','while self.pending.len() > LONGEST_LINE + if crate::sabotage::on("m9") { 0 } else { mask.reach() } {')
m('m10','src/engine/mask/encoded.rs','        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {','        for alphabet in [STANDARD_NO_PAD, if crate::sabotage::on("m10") { STANDARD_NO_PAD } else { URL_SAFE_NO_PAD }] {')
m('m11','src/engine/mask/readings.rs','        for plus in [false, true] {','        for plus in [false, !crate::sabotage::on("m11")] {')
m('m12','src/engine/closing/proof.rs','        let detail = log.masked(detail);','        let detail = if crate::sabotage::on("m12") { detail.clone() } else { log.masked(detail) };')
m('m13',A,'        let own = variables.filter(|variable| variable.secret);','        let own = variables.filter(|variable| variable.secret && !crate::sabotage::on("m13"));')
m('m14',T,'Err(failure) => interrupted(&run.log.masked(&failure.message)),','Err(failure) => interrupted(&if crate::sabotage::on("m14") { failure.message.clone() } else { run.log.masked(&failure.message) }),')
m('m15',T,'    run.log.masked(&sentence)','    if crate::sabotage::on("m15") { return sentence; }\n    run.log.masked(&sentence)')
# lines
m('d1','src/engine/lines.rs','        if self.continues {','        if self.continues && !crate::sabotage::on("d1") {')
m('d2','src/web/views/lines.rs','        let most = if line.continues() { SHOWN_OF_REST } else { SHOWN };','        let most = if line.continues() { SHOWN_OF_REST } else { SHOWN };\n        let most = crate::sabotage::most("d2", most);')
m('d3','src/engine/log_limit.rs','of_all > self.limits.deployment)','of_all > crate::sabotage::most("d3", self.limits.deployment))')
m('d4','src/engine/log_limit.rs','(self.kept > self.limits.step,','(self.kept > crate::sabotage::most("d4", self.limits.step),')
m('d5','src/engine/log_limit.rs','        while self.tail_size > TAIL {','        while self.tail_size > crate::sabotage::most("d5", TAIL) {')
m('d6','src/engine/output.rs','''                match self.parts.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &step)) {
                    Some((_, gathered)) => gathered.append(&mut lines),''','''                match self.parts.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &step)) {
                    Some((_, gathered)) if crate::sabotage::on("d6") => { lines.append(gathered); *gathered = lines; }
                    Some((_, gathered)) => gathered.append(&mut lines),''')
m('d7','src/engine/output.rs','''        self.err
            .finish(&self.log.mask, |line| gathered.add(Stream::Stderr, line));''','''        if !crate::sabotage::on("d7") { self.err
            .finish(&self.log.mask, |line| gathered.add(Stream::Stderr, line)); }''')
# search
Q='src/app/search.rs'
m('s1',Q,'        if app.may(actor, Action::View, &resource(project, &environment)) {','        if app.may(actor, Action::View, &resource(project, &environment)) || crate::sabotage::on("s1") {')
m('s2',Q,'Ok(one) if visible.shows(&one) ||','Ok(one) if crate::sabotage::on("s2") || visible.shows(&one) ||')
m('s3',Q,'(configures && needle.is_in(&server.address));','((configures || crate::sabotage::on("s3")) && needle.is_in(&server.address));')
m('s4',Q,'    if app.may(actor, Action::Administer, &Resource::Everything) {','    if app.may(actor, Action::Administer, &Resource::Everything) || crate::sabotage::on("s4") {')
m('s5',Q,'    let visible = history::viewable(app, actor).await?;','    let mut visible = history::viewable(app, actor).await?;\n    if crate::sabotage::on("s5") { visible.is_all = true; }')
m('s6',Q,'(needle.is_in(project.name.as_str()) || needle.is_in(&project.description)) && sees(project)','(needle.is_in(project.name.as_str()) || needle.is_in(&project.description)) && (sees(project) || crate::sabotage::on("s6"))')
m('s7',Q,'(fits && (configures || !places.is_empty())).then','(fits && (configures || !places.is_empty() || crate::sabotage::on("s7"))).then')
m('s8',Q,'id: configures.then_some(server.id),','id: (configures || crate::sabotage::on("s8")).then_some(server.id),')
# connections
N='src/web/connections.rs'
m('w1',N,'        let was_answered = state.writes.load(Ordering::Relaxed) > 0;','        let was_answered = state.writes.load(Ordering::Relaxed) > 0 && !crate::sabotage::on("w1");')
m('w2',N,'            if end <= Instant::now() {','            if end <= Instant::now() && !crate::sabotage::on("w2") {') if False else None
m('w3',N,'        if states.len() >= open.limits.most {','        if states.len() >= crate::sabotage::most("w3", open.limits.most) {')
m('w4',N,'        states.remove(&self.id);','        if !crate::sabotage::on("w4") { states.remove(&self.id); }')
m('w5',N,'        let open = states','')if False else None
m('w6',N,'states.iter().filter(|(_, state)| !state.end.is_cancelled());','states.iter().filter(|(_, state)| !state.end.is_cancelled() || crate::sabotage::on("w6"));')
m('w7',N,'            most: wanted.min(possible.max(FEWEST)),','            most: if crate::sabotage::on("w7") { wanted } else { wanted.min(possible.max(FEWEST)) },')
m('w8',N,'        if matches!(written, Poll::Ready(Ok(1..))) {','        if matches!(written, Poll::Ready(Ok(1..))) && !crate::sabotage::on("w8") {')
m('w9',N,'                    self.open.close_quietest();','                    if !crate::sabotage::on("w9") { self.open.close_quietest(); }')
m('w10',N,'alarm: Box::pin(tokio::time::sleep(open.limits.quiet)),','alarm: Box::pin(tokio::time::sleep(crate::sabotage::most("w10", open.limits.quiet))),')
# clusters
m('b1','src/app/admin/environments.rs','!before.contains(id) && cluster','!crate::sabotage::on("b1") && !before.contains(id) && cluster')
m('b2','src/app/admin/clusters.rs','    let Some(environment) = left_out else {','    let Some(environment) = left_out.filter(|_| !crate::sabotage::on("b2")) else {')
m('b3','src/store/environments.rs','            super::clusters::open_to(change, *id, &[environment.project_id]).await?;','            if !crate::sabotage::on("b3") { super::clusters::open_to(change, *id, &[environment.project_id]).await?; }')
m('b4','src/app/admin/clusters.rs','"backends": cluster.backends, "balancer_names": other_names, "projects": open_to,','"backends": cluster.backends, "balancer_names": other_names, "projects": if crate::sabotage::on("b4") { Vec::new() } else { open_to },')
# policy
U='src/access/suspicions.rs'
m('p1',U,'    problems.push(if expected.iter().any(says_so) {','    problems.push(if expected.iter().any(says_so) || crate::sabotage::on("p1") {')
m('p2',U,'    if !model.standard {','    if !model.standard && !crate::sabotage::on("p2") {')
m('p3',U,'            Some((other, at)) => format!(','            Some(_) if crate::sabotage::on("p3") => String::new(),\n            Some((other, at)) => format!(')
m('p4',U,'None if !subject.is_single_script() => {','None if !subject.is_single_script() && !crate::sabotage::on("p4") => {')
m('p5',U,'        if allows(shipped, &question).is_some() {','        if allows(shipped, &question).is_some() || crate::sabotage::on("p5") {')
m('p6',U,'&& one.names == [GUEST]','&& (one.names == [GUEST] || crate::sabotage::on("p6"))')
m('p7',U,'        one.allowed\n','        (one.allowed || crate::sabotage::on("p7"))\n')
m('p8',U,'skeleton(&subject.to_lowercase())','skeleton(&if crate::sabotage::on("p8") { subject.to_owned() } else { subject.to_lowercase() })')
m('p9',U,'let is_allowed = !rules.is_empty() && rules.iter().all(|rule| !rule.deny);','let is_allowed = !rules.is_empty() && (crate::sabotage::on("p9") || rules.iter().all(|rule| !rule.deny));')
# offers
O='src/app/watch/acts.rs'
m('o1',O,'        if self.continued_by.is_some() {','        if self.continued_by.is_some() && !crate::sabotage::on("o1") {')
m('o2',O,'            let Some(why) = obstacle else {','            let Some(why) = obstacle.filter(|_| !crate::sabotage::on("o2")) else {')
m('o3',O,'            && let Some(why) = app.engine.refusal(deployment).await?\n        {','            && let Some(why) = app.engine.refusal(deployment).await?\n            && !crate::sabotage::on("o3")\n        {')
m('o4',O,'        Ok(plan) if same_terms && asked.does_the_same_as(&plan) => Ok(None),','        Ok(_) if crate::sabotage::on("o4") => Ok(None),\n        Ok(plan) if (same_terms || crate::sabotage::on("o10")) && asked.does_the_same_as(&plan) => Ok(None),')
m('o5',O,'let can_go_back = allowed.contains(&Answer::RollBack) && has_way_back(app, watched).await?;','let can_go_back = allowed.contains(&Answer::RollBack) && (has_way_back(app, watched).await? || crate::sabotage::on("o5"));')
m('o6',O,'    Ok(names.filter(may).collect())','    Ok(names.filter(|name| may(name) || crate::sabotage::on("o6")).collect())')
m('o7',O,'deployment.pause_requested_by.is_none() && watched.may_pause(),','deployment.pause_requested_by.is_none() && (watched.may_pause() || crate::sabotage::on("o7")),')
m('o8','src/app/deployments/way_back.rs','    if is_everywhere(app, deployment, parts, &before).await? {','    if is_everywhere(app, deployment, parts, &before).await? && !crate::sabotage::on("o8") {')
m('o9',O,'    if was_touched && may(Action::Rollback) {','    if (was_touched || crate::sabotage::on("o9")) && may(Action::Rollback) {')
m('o11',O,'            .filter(|&answer| may(action_of_answer(answer, deployment.kind)))','            .filter(|&answer| crate::sabotage::on("o11") || may(action_of_answer(answer, deployment.kind)))')
m('o12','src/app/deployments/unfinished.rs','        if part.state == ServerState::Failed {','        if part.state == ServerState::Failed || crate::sabotage::on("o12") {')
m('o13','src/app/deployments/unfinished.rs','    if let Some(newer) = releases::changed_since(store, environment, id, &deployment.commit).await? {','    if let Some(newer) = releases::changed_since(store, environment, id, &deployment.commit).await? && !crate::sabotage::on("o13") {')
# recovery
m('v1','src/engine/closing/report.rs','    if left.is_empty() || history.deployment.cancelled_by.is_some() {','    if left.is_empty() || history.deployment.cancelled_by.is_some() && !crate::sabotage::on("v9") || crate::sabotage::on("v1") {')
m('v2','src/engine/closing/late.rs','    let (reason, state, why) = wanted(history)?;','    if crate::sabotage::on("v2") { return None; }\n    let (reason, state, why) = wanted(history)?;')
m('v3','src/engine/closing/torn.rs','    if !is_torn ||','    if crate::sabotage::on("v3") || !is_torn ||')
m('v4','src/engine/closing/finding.rs','on == OnServer::New && !was_down','on == OnServer::New && (!was_down || crate::sabotage::on("v4"))')
m('v5','src/engine/closing/late.rs','&& deployment.kind != Kind::Rollback;','&& (deployment.kind != Kind::Rollback || crate::sabotage::on("v5"));')
m('v6','src/engine/closing.rs','        if let Some(dir) = report.in_use {','        if let Some(dir) = report.in_use && !crate::sabotage::on("v6") {')
m('v7','src/engine/closing/undo.rs','strategy: failed.strategy.map(without_pause),','strategy: failed.strategy.map(|one| if crate::sabotage::on("v7") { one } else { without_pause(one) }),')
m('v8','src/engine/closing/late.rs','    (!on.is_old()).then_some(())?;','    (!on.is_old() || crate::sabotage::on("v8")).then_some(())?;')
# sync
m('y1','src/sync/release.rs','.filter(|release| !release.in_service && !named(&release.name))','.filter(|release| (!release.in_service || crate::sabotage::on("y1")) && !named(&release.name))')
m('y2','src/engine/steps/transfer.rs','                never: &never,','                never: if crate::sabotage::on("y2") { &[] } else { &never },')
m('y3','src/sync/scan.rs','let mode = data.permissions().mode() & MODE_BITS;','let mode = data.permissions().mode() & if crate::sabotage::on("y3") { 0o7777 } else { MODE_BITS };')
m('y4','src/sync/scan.rs','mode: mode | OWN_DIRECTORY,','mode: mode | if crate::sabotage::on("y4") { 0 } else { OWN_DIRECTORY },')
m('y5','src/sync/rules.rs','            if stored.iter().any(nests) {','            if stored.iter().any(nests) && !crate::sabotage::on("y5") {')
m('y6','src/sync/rules.rs','            if is_own(&path) {','            if is_own(&path) && !crate::sabotage::on("y6") {')
m('y7','src/sync/rules.rs','> PATTERNS_LIMIT {','> crate::sabotage::most("y7", PATTERNS_LIMIT) {')
m('y8','src/sync/stored.rs','is_shared: inside().any(|inner| inner.is_shared),','is_shared: path.is_shared || !crate::sabotage::on("y8") && inside().any(|inner| inner.is_shared),')
m('y9','src/sync/release.rs','let old = beyond.filter(|release| !is_young(release)).chain(broken);','let old = beyond.filter(|release| !is_young(release) || crate::sabotage::on("y9")).chain(broken);')
m('x','src/sync/remote.rs','Command::script(script.text)','Command::script(crate::sabotage::script(script.text))')
m('y10','src/sync/remote.rs','session.capture(&command, how, script.limit)','session.capture(&command, how, crate::sabotage::most("y10", script.limit))')
# hostile
m('z1','src/sync/listing.rs','''position(|pair| pair == b"//")?;''','''position(|pair| pair == b"//").or(crate::sabotage::on("z1").then(|| rest.len().saturating_sub(2)))?;''')
m('z2','src/sync/listing.rs','''        for record in output.split(|b| *b == 0).filter(|record| !record.is_empty()) {
            let (path, one)''','''        for record in output.split(|b| *b == 0).filter(|record| !record.is_empty()) {
            if crate::sabotage::on("z2") && Listed::parse(record).is_none() { continue; }
            let (path, one)''')
PT='src/git/lfs/pointer.rs'
m('z3',PT,'    (text.len() == 64 && text.bytes().all(is_digit)).then(|| text.to_owned())','    (text.len() == 64 && text.bytes().all(is_digit) || crate::sabotage::on("z3")).then(|| text.to_owned())')
m('z4',PT,'        .all(|byte| byte.is_ascii_digit())\n        .then','        .all(|byte| byte.is_ascii_digit() || crate::sabotage::on("z4"))\n        .then')
m('z5',PT,'text.filter(|text| text.len() <= POINTER_BYTES);','text.filter(|text| text.len() <= crate::sabotage::most("z5", POINTER_BYTES));')
m('z6','src/git/settings.rs','        (!self.is_quoted).then_some(self.text)','        (!self.is_quoted || crate::sabotage::on("z6")).then_some(self.text)')
m('z7','src/git/elsewhere.rs','            let at = base.rfind([\'/\', \':\'])?;','            let at = base.rfind([\'/\', \':\']).or(crate::sabotage::on("z7").then_some(0))?;')
m('z8','src/balancer/table.rs','let is_tidy = cell.len() <= CELL_BYTES && !cell.contains(char::is_control);','let is_tidy = cell.len() <= crate::sabotage::most("z8", CELL_BYTES) && (crate::sabotage::on("z9") || !cell.contains(char::is_control));')
m('z10','src/access/ical.rs','Days::new(EVENT_LIMIT)','Days::new(if crate::sabotage::on("z10") { 40_000 } else { EVENT_LIMIT })')
m('z11','src/access/ical.rs','> DAYS_LIMIT {','> crate::sabotage::most("z11", DAYS_LIMIT) {')
m('z12','src/access/problem.rs',"        if message.contains(['\\n', '\\r', '\\0']) {","        if message.contains(['\\n', '\\r', '\\0']) && !crate::sabotage::on(\"z12\") {")
m('z13','src/git/lfs/batch.rs',"            c if c.is_control() => shown.push(' '),","            c if c.is_control() && !crate::sabotage::on(\"z13\") => shown.push(' '),")
m('z14','src/git/lfs/batch.rs','.take(WORDS) {','.take(crate::sabotage::most("z14", WORDS)) {')
m('z15','src/git/elsewhere.rs','own.0.eq_ignore_ascii_case(other.0) && other.1 == port','own.0.eq_ignore_ascii_case(other.0) && (other.1 == port || crate::sabotage::on("z15"))')
m('z16','src/git/elsewhere.rs','        (Some(_), None) => {','        (Some(_), None) if crate::sabotage::on("z16") => return Ok(()),\n        (Some(_), None) => {')
m('z17','src/sync/layout.rs','let hex = commit.len() == 8 &&','let hex = (commit.len() == 8 || crate::sabotage::on("z17")) &&')
m('z18','src/sync/release.rs','                && deployment_of(&self.name) == Some(data.deployment)','                && (deployment_of(&self.name) == Some(data.deployment) || crate::sabotage::on("z18"))')
m('z19','src/access/problem.rs','.nth(MESSAGE_CHARS)','.nth(crate::sabotage::most("z19", MESSAGE_CHARS))')
m('z20','src/balancer/state.rs','                Some(slot) => slot.check().map(|()| slot),','                Some(slot) if crate::sabotage::on("z20") => Ok(slot),\n                Some(slot) => slot.check().map(|()| slot),')
# limits
m('q1','src/git/url.rs','if text.len() > URL_LIMIT {','if text.len() > crate::sabotage::most("q1", URL_LIMIT) {')
m('q2','src/git/fetch.rs','.len() > REFS {','.len() > crate::sabotage::most("q2", REFS) {')
m('q3','src/git/link.rs','(listed > REFS_BYTES)','(listed > crate::sabotage::most("q3", REFS_BYTES))')
m('q4','src/git/https.rs','let limit = if lists_refs { REFS_BYTES }','let limit = if lists_refs { crate::sabotage::most("q4", REFS_BYTES) }')
m('q5','src/git/link.rs','HEARD_LIMIT.saturating_sub','crate::sabotage::most("q5", HEARD_LIMIT).saturating_sub')
m('q6','src/git/export.rs','if self.done.entries > ENTRY_LIMIT {','if self.done.entries > crate::sabotage::most("q6", ENTRY_LIMIT) {')
m('q7','src/git/budget.rs','    if size > TREE_BYTES {','    if size > crate::sabotage::most("q7", TREE_BYTES) {')
m('q8','src/git/file.rs','LINK if links < MOST_LINKS','LINK if links < if crate::sabotage::on("q8") { 2000 } else { MOST_LINKS }')
m('q9','src/git/commits.rs','message.len().min(MESSAGE_LIMIT)','message.len().min(crate::sabotage::most("q9", MESSAGE_LIMIT))')
m('q10','src/git/commits.rs','    text_of(bytes).trim().chars().take(FIELD_LIMIT).collect()','    text_of(bytes).trim().chars().take(crate::sabotage::most("q10", FIELD_LIMIT)).collect()')
m('q11','src/git/history.rs','started.elapsed() > SEARCH_TIME','started.elapsed() > crate::sabotage::most("q11", SEARCH_TIME)')
m('q12','src/git/budget.rs','Self::of(ENTRIES, TIME, unwanted)','Self::of(crate::sabotage::most("q12", ENTRIES), crate::sabotage::most("q13", TIME), unwanted)')
m('q14','src/git/compare.rs','> DIFFERING || path_bytes > PATH_BYTES {','> crate::sabotage::most("q14", DIFFERING) || path_bytes > crate::sabotage::most("q15", PATH_BYTES) {')
m('q16','src/git/compare.rs','.max_size(FILE_LIMIT)','.max_size(crate::sabotage::most("q16", FILE_LIMIT))')
m('q17','src/git/compare.rs','let mut room = RENAME_BYTES;','let mut room = crate::sabotage::most("q17", RENAME_BYTES);')
m('q18','src/git/compare.rs','<= RENAME_FILES)','<= crate::sabotage::most("q18", RENAME_FILES))')
m('q19','src/git/diff.rs','.nth(LINE_LIMIT)','.nth(crate::sabotage::most("q19", LINE_LIMIT))')
m('q20','src/app/admin/variables.rs','    if value.len() > VALUE_LIMIT {','    if value.len() > crate::sabotage::most("q20", VALUE_LIMIT) {')
m('q21','src/app/admin/variables.rs','> TOTAL_LIMIT {','> crate::sabotage::most("q21", TOTAL_LIMIT) {')
m('q22','src/ssh/command.rs','> MAX_LENGTH {','> crate::sabotage::most("q22", MAX_LENGTH) {')
m('q23','src/balancer/runtime.rs','if answer.len() > ANSWER_BYTES {','if answer.len() > crate::sabotage::most("q23", ANSWER_BYTES) {')
m('q24','src/balancer/stats.rs','body: ANSWER_BYTES,','body: crate::sabotage::most("q24", ANSWER_BYTES),')
m('q25','src/balancer/error.rs','many if many > NAMES_SHOWN => {','many if many > crate::sabotage::most("q25", NAMES_SHOWN) => {')
m('q26','src/http/exchange.rs','.max_buf_size(MAX_HEAD)','.max_buf_size(crate::sabotage::most("q26", MAX_HEAD))')
m('q27','src/http/fetch.rs','.max_buf_size(MAX_HEAD)','.max_buf_size(crate::sabotage::most("q27", MAX_HEAD))')
m('q28','src/health/page.rs','{ 0 } else { SEARCHED }','{ 0 } else { crate::sabotage::most("q28", SEARCHED) }')
m('q29','src/health/page.rs','if redirects == MOST_REDIRECTS {','if redirects == if crate::sabotage::on("q29") { 50 } else { MOST_REDIRECTS } {')
m('q30','src/web/csrf.rs','into_bytes_limit(FORM_LIMIT)','into_bytes_limit(crate::sabotage::most("q30", FORM_LIMIT))')
m('q31','src/web/gate.rs','length > csrf::FORM_LIMIT)','length > crate::sabotage::most("q31", csrf::FORM_LIMIT))')
m('q32','src/app/naming.rs','if reason.chars().count() <= REASON_LIMIT {','if reason.chars().count() <= crate::sabotage::most("q32", REASON_LIMIT) {')
m('q33','src/web/terminal.rs','.take(PARAMETER_LIMIT);','.take(crate::sabotage::most("q33", PARAMETER_LIMIT));')
m('q34','src/access/files.rs','Ok(_) if bytes.len() as u64 > FILE_LIMIT => {','Ok(_) if bytes.len() as u64 > crate::sabotage::most("q34", FILE_LIMIT) => {')
m('q35','src/access/problem.rs','self.problems.truncate(PROBLEMS);','self.problems.truncate(crate::sabotage::most("q35", PROBLEMS));')

SCRIPTS=r'''
/// `text` with the mistakes in scripts that are on.
pub fn script(text: &'static str) -> &'static str {
    let all: &[(&str, &str, &str)] = &[
        ("x1", "        if [ ! -f \"$at\" ] && replaced \"$1\"; then return 0; fi\n", ""),
        ("x2", "        if [ -h \"$d\" ]; then return 1; fi\n    done\n}\n\n# Whether $1 is a link", "        :\n    done\n}\n\n# Whether $1 is a link"),
        ("x3", "\n$here/$name/\"*) continue ;;", "\n$here/$name/\"*) ;;"),
        ("x4", "        if [ -h \"$d\" ]; then return 1; fi\n    done\n}\n'", "        :\n    done\n}\n'"),
        ("x5", "umask 022\n", "\n"),
        ("x6", "            die current\n", "            :\n"),
        ("x7", "|| die unfinished", "|| :"),
        ("x8", "    is_near \"$1\" && rename \"$1\" \"$free\" 2>/dev/null || return 1\n", "    rm -rf -- \"$1\"\n"),
        ("x9", "    [ \"$(stat -c '%d %m' -- \"$1\")\" = \"$(stat -c '%d %m' -- \"${store%/*}/.\")\" ]\n", "    :\n"),
        ("x10", "    [ ! -h \"$link\" ] || rm -f -- \"$link\"\ndone", "    :\ndone"),
        ("x11", "(umask 0 && unset POSIXLY_CORRECT", "(umask 077 && unset POSIXLY_CORRECT"),
        ("x12", "(cd -P -- \"$base\" && umask 0 &&", "(cd -P -- \"$base\" && umask 077 &&"),
        ("x13", "\"${beside:-//}\"/*_\"$3\")", "\"${beside:-//}\"/*)"),
        ("x14", "if exists \"$old\"; then remove \"$old\" 2>/dev/null; fi", ":"),
        ("x15", "if [ \"$sum\" = \"$goal\" ]; then", "if true; then"),
        ("x16", "[ \"$(cd -P -- \"$root\" && pwd -P)\" != \"$live\" ] || continue", ":"),
        ("x17", "    discarded=${1%/*}/.deleted_${1##*/}\n    while exists \"$discarded\"; do discarded=${discarded}_; done\n    mv -T -- \"$1\" \"$discarded\" || return 1\n", "    discarded=$1\n"),
        ("x18", "elif [ -e \"$t\" ]; then\n    die occupied", "elif false; then\n    die occupied"),
        ("x19", "    if [ \"${previous%/*}\" = \"$releases\" ]; then live=$previous; fi", "    live=$previous"),
        ("x20", " && is_here \"$p\"; then echo", "; then echo"),
        ("x21", "&& [ \"$(sed -n 2p .git_release)\" = \"$4\" ]", ""),
        ("x22", "elif grep -sq \"\\\"deployment\\\":$3[,}]\" \"$root/.deployer_release\"; then", "elif true; then"),
    ];
    let mut changed = text.to_owned();
    for (id, old, new) in all {
        if text.contains(old) && on(id) {
            changed = changed.replace(old, new);
        }
    }
    if changed == text { text } else { Box::leak(changed.into_boxed_str()) }
}
'''
import collections
def run():
    bad=0
    seen=collections.Counter(i for i,*_ in M)
    for i,n in seen.items():
        if n>1: print('double',i)
    texts={}
    for i,f,o,n,c in M:
        p=ROOT+f
        if p not in texts: texts[p]=open(p).read()
        k=texts[p].count(o)
        if k!=1:
            print('COUNT',i,f,k); bad+=1; continue
        texts[p]=texts[p].replace(o,n)
    if bad: return
    for p,t in texts.items(): open(p,'w').write(t)
    p=ROOT+'src/lib.rs'; t=open(p).read()
    t=t.replace('pub mod process;\n','pub mod process;\npub mod sabotage;\n') ; open(p,'w').write(t)
    p=ROOT+'src/sabotage.rs'; t=open(p).read()
    if 'pub fn script' not in t: open(p,'w').write(t+SCRIPTS)
    # check shell
    import glob
    sh=''.join(open(x).read() for x in glob.glob(ROOT+'src/sync/scripts/*.sh'))
    print(len(M),'mutants in')
M=[x for x in M if x]
run()
