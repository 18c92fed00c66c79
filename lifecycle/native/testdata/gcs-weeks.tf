# These blocks belong into the google_storage_bucket of the vault.
lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 35
    with_state     = "LIVE"
    matches_prefix = ["weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["weekly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 39
    with_state     = "LIVE"
    matches_prefix = ["weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["weekly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 35
    with_state     = "LIVE"
    matches_prefix = ["monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["monthly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 39
    with_state     = "LIVE"
    matches_prefix = ["monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["monthly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 35
    with_state     = "LIVE"
    matches_prefix = ["yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["yearly/catalog/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 39
    with_state     = "LIVE"
    matches_prefix = ["yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 14
    matches_prefix             = ["yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "AbortIncompleteMultipartUpload"
  }
  condition {
    age            = 7
    matches_prefix = ["yearly/data/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    age            = 1
    with_state     = "LIVE"
    matches_prefix = ["doctor/canary/"]
  }
}

lifecycle_rule {
  action {
    type = "Delete"
  }
  condition {
    days_since_noncurrent_time = 1
    matches_prefix             = ["doctor/canary/"]
  }
}
