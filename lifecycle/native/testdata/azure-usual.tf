# This resource owns every rule of the storage account: other rules belong in it, too.
resource "azurerm_storage_management_policy" "snapferry" {
  storage_account_id = var.storage_account_id

  rule {
    name    = "snapferry5b552d06dailycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/daily/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 15
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 29
      }
      version {
        delete_after_days_since_creation = 29
      }
    }
  }

  rule {
    name    = "snapferry5b552d06dailydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/daily/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 24
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 38
      }
      version {
        delete_after_days_since_creation = 38
      }
    }
  }

  rule {
    name    = "snapferry5b552d06weeklycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/weekly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 63
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 77
      }
      version {
        delete_after_days_since_creation = 77
      }
    }
  }

  rule {
    name    = "snapferry5b552d06weeklydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/weekly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 72
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 86
      }
      version {
        delete_after_days_since_creation = 86
      }
    }
  }

  rule {
    name    = "snapferry5b552d06monthlycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/monthly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 397
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 411
      }
      version {
        delete_after_days_since_creation = 411
      }
    }
  }

  rule {
    name    = "snapferry5b552d06monthlydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/monthly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 406
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 420
      }
      version {
        delete_after_days_since_creation = 420
      }
    }
  }

  rule {
    name    = "snapferry5b552d06yearlycatalog"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/yearly/catalog/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 1461
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 1475
      }
      version {
        delete_after_days_since_creation = 1475
      }
    }
  }

  rule {
    name    = "snapferry5b552d06yearlydata"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/yearly/data/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 1470
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 1484
      }
      version {
        delete_after_days_since_creation = 1484
      }
    }
  }

  rule {
    name    = "snapferry5b552d06doctorcanary"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["backups/neo4j/prod/doctor/canary/"]
    }
    actions {
      base_blob {
        delete_after_days_since_creation_greater_than = 1
      }
      snapshot {
        delete_after_days_since_creation_greater_than = 2
      }
      version {
        delete_after_days_since_creation = 2
      }
    }
  }
}
