output "writer_policy_json" {
  description = "IAM policy, as JSON, for who writes backups: list, read and create below the prefix. No overwriting and no deleting."
  value       = jsonencode(local.writer_policy)
}

output "reader_policy_json" {
  description = "IAM policy, as JSON, for who lists, verifies and restores backups: list and read below the prefix."
  value       = jsonencode(local.reader_policy)
}
