# These blocks belong into the google_storage_bucket of the vault.
lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 15
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/daily/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/daily/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/daily/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 19
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/daily/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/daily/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/daily/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 63
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 67
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 397
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 401
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 1461
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 1465
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["neo4j/prod/yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["neo4j/prod/yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 1
    with_state     = "LIVE"
    matches_prefix = ["neo4j/prod/doctor/canary/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 1
    matches_prefix             = ["neo4j/prod/doctor/canary/"]
  }
}
