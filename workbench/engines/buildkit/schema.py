"""The messages of BuildKit's protocol that the workbench speaks, as text in the language of .proto files.

Sources: moby/buildkit `api/services/control`, `solver/pb`, `session/*`; tonistiigi/fsutil `types/wire.proto`;
containerd `api/services/content/v1`. Fields that the workbench does not read are left out; protobuf skips what it does
not know. Paths are `bytes` here and `string` there, which is the same on the wire: a file's name need not be UTF-8.
"""

CONTROL = """
message CacheOptionsEntry { string Type = 1; map<string,string> Attrs = 2; }
message CacheOptions { repeated CacheOptionsEntry Exports = 4; repeated CacheOptionsEntry Imports = 5; }
message SolveRequest {
  string Ref = 1; string ExporterDeprecated = 3; map<string,string> ExporterAttrsDeprecated = 4;
  string Session = 5; string Frontend = 6; map<string,string> FrontendAttrs = 7; CacheOptions Cache = 8;
  repeated string Entitlements = 9; repeated Exporter Exporters = 13;
}
message Exporter { string Type = 1; map<string,string> Attrs = 2; }
message SolveResponse { map<string,string> ExporterResponse = 1; }
message StatusRequest { string Ref = 1; }
message Timestamp { int64 seconds = 1; int32 nanos = 2; }
message Vertex {
  string digest = 1; repeated string inputs = 2; string name = 3; bool cached = 4;
  Timestamp started = 5; Timestamp completed = 6; string error = 7;
}
message VertexStatus {
  string ID = 1; string vertex = 2; string name = 3; int64 current = 4; int64 total = 5;
  Timestamp timestamp = 6; Timestamp started = 7; Timestamp completed = 8;
}
message VertexLog { string vertex = 1; Timestamp timestamp = 2; int64 stream = 3; bytes msg = 4; }
message Position { int32 line = 1; int32 character = 2; }
message Range { Position start = 1; Position end = 2; }
message VertexWarning {
  string vertex = 1; int64 level = 2; bytes short = 3; repeated bytes detail = 4; string url = 5;
  repeated Range ranges = 7;
}
message StatusResponse {
  repeated Vertex vertexes = 1; repeated VertexStatus statuses = 2; repeated VertexLog logs = 3;
  repeated VertexWarning warnings = 4;
}
message InfoRequest { }
message BuildkitVersion { string package = 1; string version = 2; string revision = 3; }
message InfoResponse { BuildkitVersion buildkitVersion = 1; }
message ListWorkersRequest { repeated string filter = 1; }
message WorkerRecord { string ID = 1; map<string,string> Labels = 2; }
message ListWorkersResponse { repeated WorkerRecord record = 1; }
message PruneRequest { repeated string filter = 1; bool all = 2; int64 keepDuration = 3; int64 keepBytes = 4; }
message DiskUsageRequest { repeated string filter = 1; }
message DiskUsageResponse { repeated UsageRecord record = 1; }
message UsageRecord {
  string ID = 1; bool Mutable = 2; bool InUse = 3; int64 Size = 4; string Parent = 5; Timestamp CreatedAt = 6;
  Timestamp LastUsedAt = 7; int64 UsageCount = 8; string Description = 9; string RecordType = 10; bool Shared = 11;
  repeated string Parents = 12;
}
"""

SESSION = """
message Stat {
  bytes path = 1; uint32 mode = 2; uint32 uid = 3; uint32 gid = 4; int64 size = 5; int64 modTime = 6;
  bytes linkname = 7; int64 devmajor = 8; int64 devminor = 9; map<string,bytes> xattrs = 10;
}
message Packet { int32 type = 1; Stat stat = 2; uint32 ID = 3; bytes data = 4; }
message BytesMessage { bytes data = 1; }
message CredentialsRequest { string Host = 1; }
message CredentialsResponse { string Username = 1; string Secret = 2; }
message FetchTokenRequest {
  string ClientID = 1; string Host = 2; string Realm = 3; string Service = 4; repeated string Scopes = 5;
}
message FetchTokenResponse { string Token = 1; int64 ExpiresIn = 2; int64 IssuedAt = 3; }
message GetTokenAuthorityRequest { string Host = 1; bytes Salt = 2; }
message GetTokenAuthorityResponse { bytes PublicKey = 1; }
message VerifyTokenAuthorityRequest { string Host = 1; bytes Payload = 2; bytes Salt = 3; }
message VerifyTokenAuthorityResponse { bytes Signed = 1; }
message CheckAgentRequest { string ID = 1; }
message CheckAgentResponse { }
message GetSecretRequest { string ID = 1; map<string,string> annotations = 2; }
message GetSecretResponse { bytes data = 1; }
message Anything { }
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse { int32 status = 1; }
"""

CONTENT = """
message ContentInfo { string digest = 1; int64 size = 2; Timestamp created_at = 3; Timestamp updated_at = 4; }
message ContentInfoRequest { string digest = 1; }
message ContentInfoResponse { ContentInfo info = 1; }
message ReadContentRequest { string digest = 1; int64 offset = 2; int64 size = 3; }
message ReadContentResponse { int64 offset = 1; bytes data = 2; }
message WriteContentRequest {
  int32 action = 1; string ref = 2; int64 total = 3; string expected = 4; int64 offset = 5; bytes data = 6;
}
message WriteContentResponse {
  int32 action = 1; Timestamp started_at = 2; Timestamp updated_at = 3; int64 offset = 4; int64 total = 5;
  string digest = 6;
}
"""
