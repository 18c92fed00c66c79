output "writer_policy_json" {
  description = "IAM policy, as JSON, for who writes backups: list, read and create below the prefix. No overwriting and no deleting."
  value       = local.documents["writer"]
}

output "reader_policy_json" {
  description = "IAM policy, as JSON, for who lists, verifies and restores backups: list and read below the prefix."
  value       = local.documents["reader"]
}

output "doctor_policy_json" {
  description = "IAM policy, as JSON, for who asks how the bucket is set up, beside the writer's or the reader's."
  value       = local.documents["doctor"]
}

output "prune_policy_json" {
  description = "IAM policy, as JSON, for who removes backups by hand: list, read and delete below the prefix. Not for the machine that writes."
  value       = local.documents["prune"]
}

output "create_only_bucket_policy_json" {
  description = "Bucket policy, as JSON, that refuses to everybody to overwrite an object below the prefix."
  value       = local.documents["create_only"]
}
