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
INSERT INTO "batches" VALUES('b1','plan1','i1','p1','job1',2,7000,'2026-11-28T15:20:22.665Z','[]');
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
INSERT INTO "events" VALUES(1,'2026-11-28T15:20:22.623Z','created','ops@example.com','vm','{"identity":"f7b387448d9b2a23155212aac070a4d2","version":3}','0000000000000000000000000000000000000000000000000000000000000000','0968e2f33c73a312afedf602643ded1ab2fe5170711a4303fba6543ead8e88a8');
INSERT INTO "events" VALUES(2,'2026-11-28T15:20:22.644Z','locks_taken','ops@example.com','vm','{"count":1,"fence":1,"integration_id":"i1","property_ids":["p1"],"purpose":"apply","taking":"94d4ec1bb89ffec0"}','0968e2f33c73a312afedf602643ded1ab2fe5170711a4303fba6543ead8e88a8','fc167f65be1737ee717ce9dcc859c5e385af3ff3a6a7c451ec71fb30a60f738a');
INSERT INTO "events" VALUES(3,'2026-11-28T15:20:22.655Z','consumed','ops@example.com','vm','{"digest":"sha256:x","facts":{"count":2},"plan_id":"plan1"}','fc167f65be1737ee717ce9dcc859c5e385af3ff3a6a7c451ec71fb30a60f738a','958fc1b6f05f8e760a05e76ec6a969918b970b616c9640ddddc1ad8dac3b517a');
INSERT INTO "events" VALUES(4,'2026-11-28T15:20:22.665Z','intended','ops@example.com','vm','{"amount":7000,"batch":{"amount":7000,"batch_id":"b1","count":2,"created_at":"2026-11-28T15:20:22.665Z","errors":[],"integration_id":"i1","job_id":null,"plan_id":"plan1","property_id":"p1"},"batch_id":"b1","count":2,"plan_id":"plan1","postings":[{"action":"create","amount":3500,"batch_id":"b1","charge":"pet-rent","charge_code":"Pet Rent","charge_code_id":"c1","charge_id":null,"description":"Pet rent, Zoë","error":null,"id":1,"integration_id":"i1","item":null,"job_id":null,"key_charge":"pet-rent","key_plan":"oak","lease_id":"l1","notes":"","part":0,"period":"2027-08","period_first":"2027-08-01","period_last":"2027-08-31","plan":"oak","plan_id":"plan1","property_id":"p1","reference":"CP1","resident_id":"r1","service_first":"2027-08-01","service_last":"2027-08-31","since":"2026-11-28T15:20:22.665Z","source_file":"plans/oak.yaml","source_line":14,"state":"intended","transaction_date":"2027-08-01","unit_id":"u1","unit_number":"204"},{"action":"create","amount":3500,"batch_id":"b1","charge":"pet-rent","charge_code":"Pet Rent","charge_code_id":"c1","charge_id":null,"description":"Pet rent, Zoë","error":null,"id":2,"integration_id":"i1","item":null,"job_id":null,"key_charge":"pet-rent","key_plan":"oak","lease_id":"l1","notes":"","part":0,"period":"2027-08","period_first":"2027-08-01","period_last":"2027-08-31","plan":"oak","plan_id":"plan1","property_id":"p1","reference":"CP2","resident_id":"r1","service_first":"2027-08-01","service_last":"2027-08-31","since":"2026-11-28T15:20:22.665Z","source_file":"plans/oak.yaml","source_line":14,"state":"intended","transaction_date":"2027-08-01","unit_id":"u1","unit_number":"204"}]}','958fc1b6f05f8e760a05e76ec6a969918b970b616c9640ddddc1ad8dac3b517a','7ca02a89336091b3b516dbca3b2ea1d612729785b8f1bad52911e7c9f79c03ba');
INSERT INTO "events" VALUES(5,'2026-11-28T15:20:22.684Z','recorded','ops@example.com','vm','{"amount":7000,"batch_errors":[],"batch_id":"b1","count":2,"error":null,"errors":[],"ids":[1,2],"job_id":"job1","plan_id":"plan1","reason":null,"references":["CP1","CP2"],"state":"queued"}','7ca02a89336091b3b516dbca3b2ea1d612729785b8f1bad52911e7c9f79c03ba','21d81bb4122e88c73b07789ff3e01f7318efc19e9f2540cf9599e75d7bff056c');
INSERT INTO "events" VALUES(6,'2026-11-28T15:20:22.690Z','recorded','ops@example.com','vm','{"amount":7000,"batch_errors":[],"batch_id":"b1","count":2,"error":null,"errors":[],"ids":[1,2],"job_id":null,"plan_id":"plan1","reason":"the job succeeded","references":["CP1","CP2"],"state":"accepted"}','21d81bb4122e88c73b07789ff3e01f7318efc19e9f2540cf9599e75d7bff056c','bd9e50399dbd37d548132a8687682511640a077f7db3a3c34c497435b1d67c2f');
INSERT INTO "events" VALUES(7,'2026-11-28T15:20:22.729Z','settled','reconcile','vm','{"amount":3500,"batch_id":"b1","charge_id":"c1","count":1,"error":null,"id":1,"plan_id":"plan1","reason":"seen","reference":"CP1","state":"visible"}','bd9e50399dbd37d548132a8687682511640a077f7db3a3c34c497435b1d67c2f','a006637648f2f7c92cabf3dba6fe87595910bd713b3562ef6305c42c90039c95');
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
INSERT INTO "meta" VALUES('identity','f7b387448d9b2a23155212aac070a4d2');
INSERT INTO "meta" VALUES('fence','1');
INSERT INTO "meta" VALUES('head','7 a006637648f2f7c92cabf3dba6fe87595910bd713b3562ef6305c42c90039c95');
CREATE TABLE plans (
	plan_id TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	facts TEXT NOT NULL, 
	at TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	PRIMARY KEY (plan_id)
);
INSERT INTO "plans" VALUES('plan1','sha256:x','{"count":2}','2026-11-28T15:20:22.655Z','ops@example.com');
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
INSERT INTO "postings" VALUES(1,'CP1','i1','p1','oak','pet-rent',NULL,'oak','pet-rent','u1','204','r1','l1','2027-08',0,'2027-08-01','2027-08-31','2027-08-01','2027-08-31','2027-08-01',3500,'c1','Pet Rent','Pet rent, Zoë','','plans/oak.yaml',14,'create','visible','b1','job1','plan1',NULL,'c1','2026-11-28T15:20:22.729Z',1);
INSERT INTO "postings" VALUES(2,'CP2','i1','p1','oak','pet-rent',NULL,'oak','pet-rent','u1','204','r1','l1','2027-08',0,'2027-08-01','2027-08-31','2027-08-01','2027-08-31','2027-08-01',3500,'c1','Pet Rent','Pet rent, Zoë','','plans/oak.yaml',14,'create','accepted','b1','job1','plan1',NULL,NULL,'2026-11-28T15:20:22.690Z',1);
CREATE INDEX events_kind ON events (kind, seq);
CREATE INDEX events_at ON events (at, seq);
CREATE INDEX batches_plan ON batches (plan_id);
CREATE UNIQUE INDEX postings_one_charge ON postings (integration_id, charge_id) WHERE live = 1 AND charge_id IS NOT NULL;
CREATE INDEX postings_state ON postings (state, id);
CREATE INDEX postings_recent ON postings (integration_id, property_id, period_last, transaction_date, state);
CREATE INDEX postings_unit ON postings (integration_id, unit_id, property_id);
CREATE INDEX postings_reference ON postings (reference, id);
CREATE INDEX postings_batch ON postings (batch_id);
CREATE UNIQUE INDEX postings_one_live ON postings (reference) WHERE live = 1;
CREATE INDEX decisions_property ON decisions (integration_id, property_id, seq);
COMMIT;
