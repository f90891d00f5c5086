BEGIN TRANSACTION;
CREATE TABLE batches (
	batch_id TEXT NOT NULL, 
	plan_id TEXT NOT NULL, 
	integration_id TEXT NOT NULL, 
	property_id TEXT NOT NULL, 
	job_id TEXT, 
	count INTEGER NOT NULL, 
	amount BIGINT NOT NULL, 
	created_at TEXT NOT NULL, 
	errors TEXT NOT NULL, 
	PRIMARY KEY (batch_id)
);
INSERT INTO "batches" VALUES('b1','plan1','i1','p1','job1',2,7000,'2026-11-28T18:48:53.239Z','[]');
CREATE TABLE decisions (
	seq BIGINT NOT NULL, 
	integration_id TEXT NOT NULL, 
	property_id TEXT NOT NULL, 
	what TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	due BIGINT NOT NULL, 
	there BIGINT NOT NULL, 
	PRIMARY KEY (seq)
);
INSERT INTO "decisions" VALUES(8,'i1','p1','accepted','CP1','',3500,3000);
INSERT INTO "decisions" VALUES(9,'i1','p1','unrelated','CP2','c9',0,0);
CREATE TABLE events (
	seq BIGINT NOT NULL, 
	at TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	host TEXT NOT NULL, 
	data TEXT NOT NULL, 
	prev_hash TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	UNIQUE (hash)
);
INSERT INTO "events" VALUES(1,'2026-11-28T18:48:53.089Z','created','ops@example.com','vm','{"identity":"64b6f1c67cca60f395570420449b7a5c","version":3}','0000000000000000000000000000000000000000000000000000000000000000','ef4f451faf0235c6ce21c0f621217aa96d56120049bdc50c3c83bc8998f7d3ed');
INSERT INTO "events" VALUES(2,'2026-11-28T18:48:53.154Z','locks_taken','ops@example.com','vm','{"count":1,"fence":1,"integration_id":"i1","property_ids":["p1"],"purpose":"apply","taking":"ae1e5a87ad475daa"}','ef4f451faf0235c6ce21c0f621217aa96d56120049bdc50c3c83bc8998f7d3ed','35b8788c569cf369bd222e89d5b3f808c3e0cacdfae0d0f4e895254d3d5cf719');
INSERT INTO "events" VALUES(3,'2026-11-28T18:48:53.186Z','consumed','ops@example.com','vm','{"digest":"sha256:x","facts":{"count":2,"covered":{"i1":{"p1":["oak"]}},"keys":{"oak":[["oak","pet-rent"]]},"window":["2027-08-01","2027-08-31"]},"plan_id":"plan1"}','35b8788c569cf369bd222e89d5b3f808c3e0cacdfae0d0f4e895254d3d5cf719','1886fa169b8b14a82da44965b206d992347edfb63a0fd83b52db4c5c69f261cd');
INSERT INTO "events" VALUES(4,'2026-11-28T18:48:53.239Z','intended','ops@example.com','vm','{"amount":7000,"batch":{"amount":7000,"batch_id":"b1","count":2,"created_at":"2026-11-28T18:48:53.239Z","errors":[],"integration_id":"i1","job_id":null,"plan_id":"plan1","property_id":"p1"},"batch_id":"b1","count":2,"plan_id":"plan1","postings":[{"action":"create","amount":3500,"batch_id":"b1","charge":"pet-rent","charge_code":"Pet Rent","charge_code_id":"c1","charge_id":null,"description":"Pet rent, Zoë","error":null,"id":1,"integration_id":"i1","item":null,"job_id":null,"key_charge":"pet-rent","key_plan":"oak","lease_id":"l1","notes":"","part":0,"period":"2027-08","period_first":"2027-08-01","period_last":"2027-08-31","plan":"oak","plan_id":"plan1","property_id":"p1","reference":"CP1","resident_id":"r1","service_first":"2027-08-01","service_last":"2027-08-31","since":"2026-11-28T18:48:53.239Z","source_file":"plans/oak.yaml","source_line":14,"state":"intended","transaction_date":"2027-08-01","unit_id":"u1","unit_number":"204"},{"action":"create","amount":3500,"batch_id":"b1","charge":"pet-rent","charge_code":"Pet Rent","charge_code_id":"c1","charge_id":null,"description":"Pet rent, Zoë","error":null,"id":2,"integration_id":"i1","item":null,"job_id":null,"key_charge":"pet-rent","key_plan":"oak","lease_id":"l1","notes":"","part":0,"period":"2027-08","period_first":"2027-08-01","period_last":"2027-08-31","plan":"oak","plan_id":"plan1","property_id":"p1","reference":"CP2","resident_id":"r1","service_first":"2027-08-01","service_last":"2027-08-31","since":"2026-11-28T18:48:53.239Z","source_file":"plans/oak.yaml","source_line":14,"state":"intended","transaction_date":"2027-08-01","unit_id":"u1","unit_number":"204"}]}','1886fa169b8b14a82da44965b206d992347edfb63a0fd83b52db4c5c69f261cd','56b438ab27aad84c1bb34e38563e509b3ae6b6ab9d6e4d8f80748d0f19b75167');
INSERT INTO "events" VALUES(5,'2026-11-28T18:48:53.348Z','recorded','ops@example.com','vm','{"amount":7000,"batch_errors":[],"batch_id":"b1","count":2,"error":null,"errors":[],"ids":[1,2],"job_id":"job1","plan_id":"plan1","reason":null,"references":["CP1","CP2"],"state":"queued"}','56b438ab27aad84c1bb34e38563e509b3ae6b6ab9d6e4d8f80748d0f19b75167','7548d9984a856be12c9dc3c98963c3d1120359e6e29bf82c3dfd6571bf974ea2');
INSERT INTO "events" VALUES(6,'2026-11-28T18:48:53.378Z','recorded','ops@example.com','vm','{"amount":7000,"batch_errors":[],"batch_id":"b1","count":2,"error":null,"errors":[],"ids":[1,2],"job_id":null,"plan_id":"plan1","reason":"the job succeeded","references":["CP1","CP2"],"state":"accepted"}','7548d9984a856be12c9dc3c98963c3d1120359e6e29bf82c3dfd6571bf974ea2','30f0fcd951dad79cd46693e13919f5087d2db7372874387b52c3566cb6c6375e');
INSERT INTO "events" VALUES(7,'2026-11-28T18:48:53.496Z','settled','reconcile','vm','{"amount":3500,"batch_id":"b1","charge_id":"c1","count":1,"error":null,"id":1,"plan_id":"plan1","reason":"seen","reference":"CP1","state":"visible"}','30f0fcd951dad79cd46693e13919f5087d2db7372874387b52c3566cb6c6375e','06359b96209b00a90e4853c5af441e8f93cb05010e6164e554782c2c8760dadf');
INSERT INTO "events" VALUES(8,'2026-11-28T18:48:53.514Z','decided','ops@example.com','vm','{"due":3500,"integration_id":"i1","property_id":"p1","reason":"agreed with the resident","reference":"CP1","subject":"","there":3000,"what":"accepted"}','06359b96209b00a90e4853c5af441e8f93cb05010e6164e554782c2c8760dadf','1db497b465409566251d93682cf2c80e944bd6bbc793495ace3386742682094a');
INSERT INTO "events" VALUES(9,'2026-11-28T18:48:53.522Z','decided','ops@example.com','vm','{"due":0,"integration_id":"i1","property_id":"p1","reason":"the office''s own","reference":"CP2","subject":"c9","there":0,"what":"unrelated"}','1db497b465409566251d93682cf2c80e944bd6bbc793495ace3386742682094a','33279803e2e3654451f733cedfaedbf312a7c108022b7f06311e1349e207873e');
CREATE TABLE locks (
	integration_id TEXT NOT NULL, 
	property_id TEXT NOT NULL, 
	id TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pid INTEGER NOT NULL, 
	process TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	since TEXT NOT NULL, 
	heartbeat TEXT NOT NULL, 
	expires TEXT NOT NULL, 
	token BIGINT NOT NULL, 
	PRIMARY KEY (integration_id, property_id), 
	UNIQUE (id)
);
CREATE TABLE meta (
	"key" TEXT NOT NULL, 
	value TEXT NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('format','chargeplan-journal');
INSERT INTO "meta" VALUES('version','3');
INSERT INTO "meta" VALUES('identity','64b6f1c67cca60f395570420449b7a5c');
INSERT INTO "meta" VALUES('fence','1');
INSERT INTO "meta" VALUES('head','9 33279803e2e3654451f733cedfaedbf312a7c108022b7f06311e1349e207873e');
CREATE TABLE plans (
	plan_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	at TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "plans" VALUES('plan1','sha256:x','{"count":2,"covered":{"i1":{"p1":["oak"]}},"keys":{"oak":[["oak","pet-rent"]]},"window":["2027-08-01","2027-08-31"]}','2026-11-28T18:48:53.186Z','ops@example.com');
CREATE TABLE postings (
	id BIGINT NOT NULL, 
	reference TEXT NOT NULL, 
	integration_id TEXT NOT NULL, 
	property_id TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	charge TEXT NOT NULL, 
	item TEXT, 
	key_plan TEXT NOT NULL, 
	key_charge TEXT NOT NULL, 
	unit_id TEXT NOT NULL, 
	unit_number TEXT NOT NULL, 
	resident_id TEXT NOT NULL, 
	lease_id TEXT NOT NULL, 
	period TEXT NOT NULL, 
	part INTEGER NOT NULL, 
	period_first TEXT NOT NULL, 
	period_last TEXT NOT NULL, 
	service_first TEXT NOT NULL, 
	service_last TEXT NOT NULL, 
	transaction_date TEXT NOT NULL, 
	amount BIGINT NOT NULL, 
	charge_code_id TEXT NOT NULL, 
	charge_code TEXT NOT NULL, 
	description TEXT NOT NULL, 
	notes TEXT NOT NULL, 
	source_file TEXT NOT NULL, 
	source_line INTEGER NOT NULL, 
	action TEXT NOT NULL, 
	state TEXT NOT NULL, 
	batch_id TEXT NOT NULL, 
	job_id TEXT, 
	plan_id TEXT NOT NULL, 
	error TEXT, 
	charge_id TEXT, 
	since TEXT NOT NULL, 
	live INTEGER NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT postings_live_follows_state CHECK (live = CASE WHEN state IN ('accepted', 'intended', 'posted', 'queued', 'unknown', 'visible') THEN 1 ELSE 0 END)
);
INSERT INTO "postings" VALUES(1,'CP1','i1','p1','oak','pet-rent',NULL,'oak','pet-rent','u1','204','r1','l1','2027-08',0,'2027-08-01','2027-08-31','2027-08-01','2027-08-31','2027-08-01',3500,'c1','Pet Rent','Pet rent, Zoë','','plans/oak.yaml',14,'create','visible','b1','job1','plan1',NULL,'c1','2026-11-28T18:48:53.496Z',1);
INSERT INTO "postings" VALUES(2,'CP2','i1','p1','oak','pet-rent',NULL,'oak','pet-rent','u1','204','r1','l1','2027-08',0,'2027-08-01','2027-08-31','2027-08-01','2027-08-31','2027-08-01',3500,'c1','Pet Rent','Pet rent, Zoë','','plans/oak.yaml',14,'create','accepted','b1','job1','plan1',NULL,NULL,'2026-11-28T18:48:53.378Z',1);
CREATE INDEX events_kind ON events (kind, seq);
CREATE INDEX events_at ON events (at, seq);
CREATE INDEX batches_plan ON batches (plan_id);
CREATE INDEX postings_reference ON postings (reference, id);
CREATE INDEX postings_unit ON postings (integration_id, unit_id, property_id);
CREATE UNIQUE INDEX postings_one_charge ON postings (integration_id, charge_id) WHERE live = 1 AND charge_id IS NOT NULL;
CREATE INDEX postings_batch ON postings (batch_id);
CREATE UNIQUE INDEX postings_one_live ON postings (reference) WHERE live = 1;
CREATE INDEX postings_state ON postings (state, id);
CREATE INDEX postings_recent ON postings (integration_id, property_id, period_last, transaction_date, state);
CREATE INDEX decisions_property ON decisions (integration_id, property_id, seq);
COMMIT;
